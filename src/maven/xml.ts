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
  { root, bytesMax }: { readonly root: string; readonly bytesMax: number },
): Result<XmlElement, XmlRefusal> {
  if (bytes.length > bytesMax) {
    return refuse('too-large', `The document has ${bytes.length} bytes; ${bytesMax} are allowed.`)
  }
  const source = decode(bytes)
  if (!source.ok) return source
  const structure = checkStructure(source.value)
  if (!structure.ok) return structure
  const document = parse(source.value)
  if (!document.ok) return document
  if (!hasChild(document.value, root)) {
    return refuse('malformed', `The document's root element is not <${root}>.`)
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

/** Only text, or children by name beside text of its own (named `_`). Attributes are left out. */
export type XmlElement = string | { readonly [name: string]: unknown }

/** `detail` says what is wrong and what is allowed, for the user to read. */
export type XmlRefusal = {
  readonly kind: 'too-large' | 'too-complex' | 'document-type' | 'malformed'
  readonly detail: string
}

/** No POM nests its configuration half so deep. */
const DEPTH_MAX = 100

/** The metadata of an artifact with that many versions is beyond 1 MiB. */
const ELEMENTS_MAX = 50_000

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
  return refuse('malformed', `The document is not well-formed XML: ${reason}.`)
}

/** The parser has no limits of its own: what it would build is bounded here, in one pass that keeps nothing. */
function checkStructure(source: string): Result<void, XmlRefusal> {
  if (ILLEGAL.test(source)) {
    return refuse('malformed', 'The document contains a character that XML does not allow.')
  }
  let depth = 0
  let elements = 0
  let end = 0
  for (let start = source.indexOf('<'); start >= 0; start = source.indexOf('<', end)) {
    if (depth === 0 && source.slice(end, start).trim() !== '') {
      return refuse('malformed', 'The document has text outside its root element.')
    }
    const markup = MARKUP.find(({ opening }) => source.startsWith(opening, start))
    if (markup !== undefined) {
      end = endOf(source, markup.closing, start + markup.opening.length)
    } else if (source.startsWith('<!', start)) {
      return refuse('document-type', 'The document must not have a document type (<!DOCTYPE …>).')
    } else {
      end = endOfTag(source, start)
      if (source.startsWith('</', start)) {
        depth--
        if (depth < 0) return refuse('malformed', 'The document closes more than it opens.')
      } else {
        if (depth === 0 && elements > 0) {
          return refuse('malformed', 'The document has more than one root element.')
        }
        elements++
        if (source[end - 2] !== '/') depth++
      }
    }
    if (end < 0) return refuse('malformed', 'The document ends inside markup.')
    if (depth > DEPTH_MAX || elements > ELEMENTS_MAX) {
      return refuse(
        'too-complex',
        `The document has more than ${ELEMENTS_MAX} elements, or nests them more than ${DEPTH_MAX} deep.`,
      )
    }
  }
  if (source.slice(end).trim() !== '') {
    return refuse('malformed', 'The document has text outside its root element.')
  }
  return ok(undefined)
}

const MARKUP = [
  { opening: '<!--', closing: '-->' },
  { opening: '<![CDATA[', closing: ']]>' },
  { opening: '<?', closing: '?>' },
]

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
      return refuse('malformed', `The encoding ${encoding} is not read; use UTF-8.`)
  }
  try {
    return ok(text(bytes))
  } catch {
    return refuse('malformed', 'The document is not valid UTF-8.')
  }
}

function latin1(bytes: Uint8Array): string {
  let decoded = ''
  for (let at = 0; at < bytes.length; at += 4_096) {
    decoded += String.fromCharCode(...bytes.subarray(at, at + 4_096))
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

function refuse(
  kind: XmlRefusal['kind'],
  detail: string,
): { readonly ok: false; readonly error: XmlRefusal } {
  return err({ kind, detail })
}
