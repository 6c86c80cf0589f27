import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { POM_BYTES_MAX, parsePom } from '../../src/maven/pom.ts'

function facts(content: string) {
  const parsed = parsePom(
    utf8(`<project xmlns="http://maven.apache.org/POM/4.0.0">${content}</project>`),
  )
  if (!parsed.ok) throw new Error(parsed.error.detail)
  return parsed.value
}

const GAV = '<groupId>com.acme</groupId><artifactId>app</artifactId><version>1.0</version>'

describe('parsePom', () => {
  it('reads a complete POM', () => {
    expect(
      facts(`${GAV}<packaging> war </packaging><name>The App</name>
        <description>It
          does things.</description>
        <dependencies><dependency><groupId>x</groupId><version>9</version></dependency></dependencies>`),
    ).toEqual({
      groupId: 'com.acme',
      artifactId: 'app',
      version: '1.0',
      packaging: 'war',
      name: 'The App',
      description: 'It does things.',
      relocation: undefined,
    })
  })

  it('takes group and version from the parent, and jar as packaging, when it names none', () => {
    expect(
      facts(
        '<parent><groupId>com.acme</groupId><artifactId>p</artifactId><version>7</version></parent><artifactId>app</artifactId><packaging/>',
      ),
    ).toMatchObject({ groupId: 'com.acme', artifactId: 'app', version: '7', packaging: 'jar' })
  })

  it('prefers its own group and version to the parent', () => {
    expect(facts(`<parent><groupId>p</groupId><version>7</version></parent>${GAV}`)).toMatchObject({
      groupId: 'com.acme',
      version: '1.0',
    })
  })

  it('knows nothing of what properties make, and keeps a packaging as it is written', () => {
    expect(
      facts(
        '<groupId>com.acme</groupId><artifactId>a${suffix}</artifactId><version>${revision}</version><packaging>${packaging.type}</packaging>',
      ),
    ).toMatchObject({
      groupId: 'com.acme',
      artifactId: undefined,
      version: undefined,
      packaging: '${packaging.type}',
    })
  })

  it('reads a relocation', () => {
    expect(
      facts(
        `${GAV}<distributionManagement><relocation><groupId>org.acme</groupId><message>Moved.</message></relocation></distributionManagement>`,
      ).relocation,
    ).toEqual({
      groupId: 'org.acme',
      artifactId: undefined,
      version: undefined,
      message: 'Moved.',
    })
  })

  it('clips long prose without splitting a character', () => {
    const { name, description } = facts(
      `<name>${'x'.repeat(1_023)}\u{1f600}</name><description>${'y'.repeat(9_999)}</description>`,
    )
    expect(name).toBe(`${'x'.repeat(1_023)}\ufffd`)
    expect(description).toHaveLength(1_024)
  })

  it('reads the POM of a large platform quickly', () => {
    const dependency = '<dependency><groupId>g</groupId><version>1</version></dependency>'
    const start = performance.now()
    const { packaging } = facts(
      `<dependencyManagement>${dependency.repeat(20_000)}</dependencyManagement><packaging>pom</packaging>`,
    )
    expect(packaging).toBe('pom')
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it.each([
    ['<metadata/>', 'malformed'],
    ['<project><artifactId>app</project>', 'malformed'],
    ['<!DOCTYPE project><project/>', 'document-type'],
    [`<project>${' '.repeat(POM_BYTES_MAX)}</project>`, 'too-large'],
  ])('refuses %.40s: %s', (source, kind) => {
    expect(parsePom(utf8(source))).toMatchObject({ ok: false, error: { kind } })
  })
})
