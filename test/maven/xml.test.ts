import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { childrenOf, parseXml, textOf, textsOf, type XmlElement } from '../../src/maven/xml.ts'

function parse(source: string | Uint8Array, bytesMax = 1_024 * 1_024) {
  return parseXml(typeof source === 'string' ? utf8(source) : source, { root: 'a', bytesMax })
}

function parsed(source: string | Uint8Array): XmlElement {
  const result = parse(source)
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}

describe('parseXml', () => {
  it('reads children, texts and nothing of attributes', () => {
    const root = parsed(
      '<?xml version="1.0"?><!-- > --><a x="1>2"><b y=\'"\'> 1 </b><b/><b><![CDATA[<2>]]></b><c>t<d>3</d></c></a>\n',
    )
    expect(textsOf(root, 'b')).toEqual(['1', '<2>'])
    expect(textOf(root, 'b')).toBe('1')
    expect(textOf(root, 'c')).toBe('t')
    expect(childrenOf(root, 'c').map((child) => textOf(child, 'd'))).toEqual(['3'])
    expect(childrenOf(root, 'y')).toEqual([])
    expect(textOf(root, 'missing')).toBeUndefined()
  })

  it('reads a byte order mark, an empty root and character references', () => {
    expect(parsed('\ufeff<a/>')).toBe('')
    expect(textOf(parsed('<a><b>&lt;&#233;&oslash;</b></a>'), 'b')).toBe('<\u00e9\u00f8')
  })

  it('reads Latin-1 where it is declared', () => {
    const source = '<?xml version="1.0" encoding="ISO-8859-1"?><a><b>Gr\u00fc\u00dfe</b></a>'
    const bytes = Uint8Array.from(source, (character) => character.charCodeAt(0))
    expect(textOf(parsed(bytes), 'b')).toBe('Gr\u00fc\u00dfe')
  })

  it('reads children that are named like members of every object', () => {
    const root = parsed('<a><constructor>1</constructor><__proto__>2</__proto__><toString/></a>')
    expect(textOf(root, 'constructor')).toBe('1')
    expect(textsOf(root, '__proto__')).toContain('2')
    expect(textOf(root, 'hasOwnProperty')).toBeUndefined()
    expect(childrenOf(root, 'valueOf')).toEqual([])
  })

  it.each([
    ['', 'malformed'],
    ['   ', 'malformed'],
    ['x', 'malformed'],
    ['<b/>', 'malformed'],
    ['<constructor/>', 'malformed'],
    ['<a>', 'malformed'],
    ['<a', 'malformed'],
    ['<a><!-- </a>', 'malformed'],
    ['<a><![CDATA[</a>', 'malformed'],
    ['<a x="></a>', 'malformed'],
    ['<a></b>', 'malformed'],
    ['</a>', 'malformed'],
    ['<a><b></a></b>', 'malformed'],
    ['<a/><a/>', 'malformed'],
    ['<a/>junk', 'malformed'],
    ['<a/>junk<!-- -->', 'malformed'],
    ['<a/></a>', 'malformed'],
    ['<a x=1/>', 'malformed'],
    ['<a>&unknown;</a>', 'malformed'],
    ['<a><_>x</_></a>', 'malformed'],
    ['{"a":1}', 'malformed'],
    ['<a>\b</a>', 'malformed'],
    ['<a>&#8;</a>', 'malformed'],
    ['<a>&#xD800;</a>', 'malformed'],
    ['<a>&#xFFFE;</a>', 'malformed'],
    ['<?xml version="1.0" encoding="UTF-16"?><a/>', 'malformed'],
    ['<!DOCTYPE a><a/>', 'document-type'],
    ['<!doctype a><a/>', 'document-type'],
    ['<a><!ELEMENT b></a>', 'document-type'],
    ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 'document-type'],
    ['<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "&d;&d;">]><a>&b;</a>', 'document-type'],
    ['<!-- --><!DOCTYPE a SYSTEM "http://127.0.0.1/"><a/>', 'document-type'],
    ['<?x <!-- ?><!DOCTYPE a><a/>', 'document-type'],
    [`<a>${'<b>'.repeat(101)}`, 'too-complex'],
    [`<a>${'<b/>'.repeat(20_000)}</a>`, 'too-complex'],
  ])('refuses %.60s: %s', (source, kind) => {
    const result = parse(source)
    expect(result).toMatchObject({ ok: false, error: { kind } })
    expect(!result.ok && result.error.detail).toMatch(/^The .*\.$/)
  })

  it('reads only the children that are asked for, and does not count the others', () => {
    const skipped = `<skip x=">"><b>9</b><!-- </skip> --><skip/><![CDATA[</skip>]]></skip>`
    const many = `<skip>${'<c/>'.repeat(30_000)}</skip>`
    const source = `<a><b>1</b>${skipped}<b>2</b><bb>3</bb><skip/><c><skip>4</skip></c>${many}</a>`
    const result = parseXml(utf8(source), { root: 'a', bytesMax: 1e6, children: ['b', 'c'] })
    expect(result).toEqual({ ok: true, value: { b: ['1', '2'], c: [{ skip: ['4'] }] } })
  })

  it.each([
    ['<a><skip></a>', 'malformed'],
    ['<a><skip>', 'malformed'],
    ['<a><skip', 'malformed'],
    ['<a><skip><!DOCTYPE x></skip></a>', 'document-type'],
    [`<a><skip>${'<x>'.repeat(200)}`, 'too-complex'],
  ])('refuses %.40s where only some children are read: %s', (source, kind) => {
    const options = { root: 'a', bytesMax: 1e6, children: ['b'] }
    expect(parseXml(utf8(source), options)).toMatchObject({ error: { kind } })
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(parse(Uint8Array.of(0x3c, 0x61, 0x3e, 0xc0, 0xaf))).toMatchObject({
      error: { kind: 'malformed' },
    })
    expect(parse(Uint8Array.of(0xff, 0xfe, 0x3c, 0, 0x61, 0))).toMatchObject({
      error: { kind: 'malformed' },
    })
  })

  it('refuses a document above the size given, and reads one of it', () => {
    expect(parse('<a>1</a>', 7)).toMatchObject({ error: { kind: 'too-large' } })
    expect(parse('<a>1</a>', 8)).toEqual({ ok: true, value: '1' })
  })

  it('reads as deep and as much as is allowed', () => {
    expect(parse(`<a>${'<b>'.repeat(99)}${'</b>'.repeat(99)}</a>`).ok).toBe(true)
    expect(parse(`<a>${'<b/>'.repeat(19_999)}</a>`).ok).toBe(true)
  })

  it('gives up quickly on documents made to be hard', () => {
    const start = performance.now()
    for (const part of [
      '<',
      '<a ',
      '<a x="',
      '<!--',
      ']]>',
      '<![CDATA[',
      '&#',
      "<a '",
      '<?',
      ' ',
    ]) {
      const size = Math.floor((1_024 * 1_024) / part.length)
      parse(part.repeat(size))
      parse(`<a>${part.repeat(size - 10)}</a>`)
    }
    expect(performance.now() - start).toBeLessThan(5_000)
  })
})
