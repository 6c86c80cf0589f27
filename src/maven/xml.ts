/**
 * XML from outside: uploads, other repositories. Nothing is parsed before it is known to be small, shallow and without
 * document type, so that neither entities nor their expansion ever reach the parser (CVE-2020-29436).
 */
import { Parser } from 'xml2js'
import { text } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'

/** Reads the document whose root element is `<root>`. */
export function parseXml(
  bytes: Uint8Array,
  { root, bytesMax, children }: XmlOptions,
): Result<XmlElement, XmlRefusal> {
  if (bytes.length > bytesMax) {
    return refuse('too-large', `The document has ${bytes.length} bytes; ${bytesMax} are allowed.`)
  }
  const source = decode(bytes)
  if (!source.ok) return source
  const pruned = prune(source.value, children)
  if (!pruned.ok) return pruned
  const document = parse(pruned.value)
  if (!document.ok) return document
  if (!hasChild(document.value, root)) {
    return malformed(`does not have the root element <${root}>`)
  }
  const element = document.value[root]
  return ok(isElement(element) ? element : '')
}

/** The children of that name, in order. */
export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  const children = hasChild(element, name) ? element[name] : undefined
  return Array.isArray(children) ? children.filter(isElement) : []
}

/** The trimmed text of the first child of that name; undefined when it is missing or empty. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const [child] = childrenOf(element, name)
  return child === undefined ? undefined : ownText(child)
}

/** The texts of all children of that name, as `textOf` has them. */
export function textsOf(element: XmlElement, name: string): readonly string[] {
  return childrenOf(element, name)
    .map(ownText)
    .filter((found) => found !== undefined)
}

export type XmlOptions = {
  readonly root: string
  readonly bytesMax: number
  /** The root's children to read; all if absent. The others need not even be well-formed within. */
  readonly children?: readonly string[]
}

/** Only text, or children by name beside text of its own (named `_`). Attributes are left out. */
export type XmlElement = string | { readonly [name: string]: unknown }

/** `detail` says what is wrong and what is allowed, for the user to read. */
export type XmlRefusal = {
  readonly kind: 'too-large' | 'too-complex' | 'document-type' | 'malformed'
  readonly detail: string
}

/** No POM nests its configuration half so deep. */
const DEPTH_MAX = 100

/** Reading this many holds up the node's only thread for a fifth of a second. Metadata with 10,000 versions are read. */
const ELEMENTS_MAX = 20_000

/** Not an XML 1.0 character. The parser checks only those that are spelled as references. */
const ILLEGAL = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

function parse(source: string): Result<XmlElement, XmlRefusal> {
  let document: unknown
  let problem: unknown
  try {
    const parser = new Parser({ async: false, explicitArray: true, ignoreAttrs: true })
    parser.parseString(source, (error, result) => {
      problem ??= error
      document = result
    })
  } catch (error) {
    problem = error
  }
  if (isElement(document) && !problem) return ok(document)
  const [reason] = problem instanceof Error ? problem.message.split('\n') : ['no root element']
  return malformed(`is not well-formed XML: ${reason?.replace(/\.$/, '')}`)
}

/**
 * The source without the root's children that are not read. The parser has no limits of its own and takes ten
 * microseconds for an element, so that all it gets to see is bounded here, in one pass.
 */
function prune(source: string, children?: readonly string[]): Result<string, XmlRefusal> {
  if (ILLEGAL.test(source)) return malformed('contains a character that XML does not allow')
  let depth = 0
  let elements = 0
  let textStart = 0
  let pruned = ''
  let keptFrom = 0
  let isSkipping = false
  for (const { kind, start, end } of markupOf(source)) {
    if (kind === 'unfinished') return malformed('ends inside markup')
    if (kind === 'document-type') {
      return refuse('document-type', 'The document must not have a document type (<!DOCTYPE …>).')
    }
    if (depth === 0 && hasText(source, textStart, start)) return malformed(TEXT_OUTSIDE)
    textStart = end
    if (kind === 'open' || kind === 'empty') {
      if (depth === 0 && elements > 0) return malformed('has more than one root element')
      if (depth === 1 && children && !children.includes(tagName(source, start))) {
        pruned += source.slice(keptFrom, start)
        keptFrom = end
        isSkipping = kind === 'open'
      }
      if (!isSkipping) elements++
      if (kind === 'open') depth++
    } else if (kind === 'close') {
      depth--
      if (depth < 0) return malformed('closes more than it opens')
      if (depth === 1 && isSkipping) {
        keptFrom = end
        isSkipping = false
      }
    }
    if (depth > DEPTH_MAX || elements > ELEMENTS_MAX) {
      return refuse(
        'too-complex',
        `The document has more than ${ELEMENTS_MAX} elements, or nests them more than ${DEPTH_MAX} deep.`,
      )
    }
  }
  if (hasText(source, textStart, source.length)) return malformed(TEXT_OUTSIDE)
  return isSkipping ? malformed('ends inside an element') : ok(pruned + source.slice(keptFrom))
}

const TEXT_OUTSIDE = 'has text outside its root element'

type Markup = {
  readonly kind: 'open' | 'close' | 'empty' | 'other' | 'document-type' | 'unfinished'
  readonly start: number
  readonly end: number
}

/** Comments and the like, which may contain anything that looks like a tag. */
const OPAQUE = [
  { opening: '<!--', closing: '-->' },
  { opening: '<![CDATA[', closing: ']]>' },
  { opening: '<?', closing: '?>' },
]

function* markupOf(source: string): Generator<Markup> {
  let end = 0
  for (let start = source.indexOf('<'); start >= 0; start = source.indexOf('<', end)) {
    const opaque = OPAQUE.find(({ opening }) => source.startsWith(opening, start))
    let kind: Markup['kind'] = 'open'
    if (opaque !== undefined) kind = 'other'
    else if (source.startsWith('<!', start)) kind = 'document-type'
    else if (source.startsWith('</', start)) kind = 'close'
    end =
      opaque === undefined
        ? endOfTag(source, start)
        : endOf(source, opaque.closing, start + opaque.opening.length)
    if (end < 0) {
      yield { kind: kind === 'document-type' ? kind : 'unfinished', start, end }
      return
    }
    if (kind === 'open' && source[end - 2] === '/') kind = 'empty'
    yield { kind, start, end }
  }
}

function tagName(source: string, start: number): string {
  NAME.lastIndex = start + 1
  return NAME.exec(source)?.[0] ?? ''
}

const NAME = /[^\s/>]*/y

function hasText(source: string, start: number, end: number): boolean {
  return source.slice(start, end).trim() !== ''
}

function endOf(source: string, closing: string, from: number): number {
  const at = source.indexOf(closing, from)
  return at < 0 ? -1 : at + closing.length
}

/** Where the tag ends: at the first `>` that is not in an attribute's value. */
function endOfTag(source: string, start: number): number {
  let quote: string | undefined
  for (let at = start + 1; at < source.length; at++) {
    const character = source[at]
    if (quote !== undefined) {
      if (character === quote) quote = undefined
    } else if (character === '>') {
      return at + 1
    } else if (character === '"' || character === "'") {
      quote = character
    }
  }
  return -1
}

/** UTF-8, or Latin-1 where the document declares it, as many old POMs do. */
function decode(bytes: Uint8Array): Result<string, XmlRefusal> {
  const start = latin1(bytes.subarray(0, 200))
  const encoding = /^<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1]
  switch (encoding?.toLowerCase()) {
    case 'iso-8859-1':
    case 'latin1':
    case 'windows-1252':
      return ok(latin1(bytes))
    case undefined:
    case 'utf-8':
    case 'utf8':
    case 'us-ascii':
      break
    default:
      return malformed(`is in ${encoding}; only UTF-8 and Latin-1 are read`)
  }
  try {
    return ok(text(bytes))
  } catch {
    return malformed('is not valid UTF-8')
  }
}

function latin1(bytes: Uint8Array): string {
  let decoded = ''
  for (let at = 0; at < bytes.length; at += 4_096) {
    decoded += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + 4_096))
  }
  return decoded
}

function ownText(element: XmlElement): string | undefined {
  const own = typeof element === 'string' ? element : element['_']
  const trimmed = typeof own === 'string' ? own.trim() : ''
  return trimmed === '' ? undefined : trimmed
}

function hasChild(
  element: XmlElement,
  name: string,
): element is { readonly [name: string]: unknown } {
  return typeof element !== 'string' && Object.hasOwn(element, name)
}

function isElement(value: unknown): value is XmlElement {
  return typeof value === 'string' || (typeof value === 'object' && value !== null)
}

function malformed(problem: string): { readonly ok: false; readonly error: XmlRefusal } {
  return refuse('malformed', `The document ${problem}.`)
}

function refuse(
  kind: XmlRefusal['kind'],
  detail: string,
): { readonly ok: false; readonly error: XmlRefusal } {
  return err({ kind, detail })
}
