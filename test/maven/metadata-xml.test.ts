import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { text, utf8 } from '../../src/base/bytes.ts'
import type { Metadata } from '../../src/maven/metadata.ts'
import { parseMetadataHint } from '../../src/maven/metadata-hint.ts'
import { renderMetadata } from '../../src/maven/metadata-xml.ts'
import { anyMetadata } from './fixture.ts'

const nothing: Metadata = { versions: [], snapshotVersions: [], plugins: [] }

describe('renderMetadata', () => {
  it('renders the metadata of an artifact', () => {
    const metadata: Metadata = {
      ...nothing,
      groupId: 'com.acme',
      artifactId: 'app',
      latest: '1.1-SNAPSHOT',
      release: '1.0',
      versions: ['1.0', '1.1-SNAPSHOT'],
      lastUpdated: '20240102030405',
    }
    expect(text(renderMetadata(metadata))).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <groupId>com.acme</groupId>
  <artifactId>app</artifactId>
  <versioning>
    <latest>1.1-SNAPSHOT</latest>
    <release>1.0</release>
    <versions>
      <version>1.0</version>
      <version>1.1-SNAPSHOT</version>
    </versions>
    <lastUpdated>20240102030405</lastUpdated>
  </versioning>
</metadata>
`)
  })

  it('renders the metadata of a snapshot', () => {
    const metadata: Metadata = {
      ...nothing,
      groupId: 'com.acme',
      artifactId: 'app',
      version: '1.1-SNAPSHOT',
      snapshot: { timestamp: '20240102.030405', buildNumber: 6 },
      snapshotVersions: [
        {
          classifier: 'sources',
          extension: 'jar',
          value: '1.1-20240102.030405-6',
          updated: '20240102030405',
        },
      ],
      lastUpdated: '20240102030405',
    }
    expect(text(renderMetadata(metadata))).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<metadata modelVersion="1.1.0">
  <groupId>com.acme</groupId>
  <artifactId>app</artifactId>
  <version>1.1-SNAPSHOT</version>
  <versioning>
    <snapshot>
      <timestamp>20240102.030405</timestamp>
      <buildNumber>6</buildNumber>
    </snapshot>
    <lastUpdated>20240102030405</lastUpdated>
    <snapshotVersions>
      <snapshotVersion>
        <classifier>sources</classifier>
        <extension>jar</extension>
        <value>1.1-20240102.030405-6</value>
        <updated>20240102030405</updated>
      </snapshotVersion>
    </snapshotVersions>
  </versioning>
</metadata>
`)
  })

  it('renders the metadata of a group', () => {
    const plugins = [{ name: 'A & B', prefix: 'ab', artifactId: 'ab-maven-plugin' }]
    expect(
      text(renderMetadata({ ...nothing, plugins })),
    ).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <plugins>
    <plugin>
      <name>A &amp; B</name>
      <prefix>ab</prefix>
      <artifactId>ab-maven-plugin</artifactId>
    </plugin>
  </plugins>
</metadata>
`)
  })

  it('gives equal bytes for equal metadata, however their keys are ordered', () => {
    fc.assert(
      fc.property(anyMetadata, (metadata) => {
        const reversed = JSON.parse(JSON.stringify(metadata), (_, value) =>
          value && typeof value === 'object' && !Array.isArray(value)
            ? Object.fromEntries(Object.entries(value).toReversed())
            : value,
        )
        expect(renderMetadata(reversed)).toEqual(renderMetadata(metadata))
      }),
    )
  })
})

describe('parseMetadataHint', () => {
  it('gives back all metadata that were rendered', () => {
    fc.assert(
      fc.property(anyMetadata, (metadata) => {
        expect(parseMetadataHint(renderMetadata(metadata))).toEqual({ ok: true, value: metadata })
      }),
    )
  })

  it('reads what clients leave out or write differently', () => {
    const source = `<metadata modelVersion='1.1.0' xmlns="http://maven.apache.org/METADATA/1.1.0">
      <groupId> com.acme </groupId>
      <versioning>
        <versions><version>1</version><version/><version> 2 </version></versions>
        <snapshot><timestamp>20240102.030405</timestamp></snapshot>
        <snapshotVersions>
          <snapshotVersion><value>1-20240102.030405-6</value></snapshotVersion>
          <snapshotVersion><extension>pom</extension></snapshotVersion>
        </snapshotVersions>
      </versioning>
      <plugins><plugin><prefix>x</prefix></plugin></plugins>
    </metadata>`
    expect(parseMetadataHint(utf8(source))).toEqual({
      ok: true,
      value: {
        groupId: 'com.acme',
        versions: ['1', '2'],
        snapshot: { timestamp: '20240102.030405', buildNumber: 0 },
        snapshotVersions: [{ extension: 'jar', value: '1-20240102.030405-6', updated: '' }],
        plugins: [],
      },
    })
  })

  it.each([
    '<metadata/>',
    '<metadata>text</metadata>',
    '<metadata><versioning>text</versioning></metadata>',
    '<metadata><versioning><versions>1</versions><snapshot><localCopy>true</localCopy></snapshot></versioning></metadata>',
    '<metadata><versioning><snapshot><timestamp>20240102.030405</timestamp><buildNumber>x</buildNumber></snapshot></versioning></metadata>',
  ])('finds nothing in %s', (source) => {
    expect(parseMetadataHint(utf8(source))).toEqual({ ok: true, value: nothing })
  })

  it.each([
    ['<project/>', 'malformed'],
    ['<metadata>', 'malformed'],
    [
      '<!DOCTYPE metadata [<!ENTITY x "y">]><metadata><groupId>&x;</groupId></metadata>',
      'document-type',
    ],
    [`<metadata>${' '.repeat(1_024 * 1_024)}</metadata>`, 'too-large'],
    [`${'<metadata>'.repeat(200)}`, 'too-complex'],
  ])('refuses %.50s: %s', (source, kind) => {
    expect(parseMetadataHint(utf8(source))).toMatchObject({ ok: false, error: { kind } })
  })
})
