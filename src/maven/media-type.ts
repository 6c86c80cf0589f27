import type { LayoutPath } from './layout.ts'

/**
 * The Content-Type of a file, by the end of its name. HTML, scripts and images that can hold scripts are served as plain
 * text or bytes, since an upload must not run in a browser at this origin (CVE-2024-36115); XML can still be made to, so
 * responses need `nosniff` and a sandbox besides.
 */
export function mediaTypeOf(path: string): string {
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase()
  return MEDIA_TYPES.get(extension) ?? 'application/octet-stream'
}

/**
 * Whether the bytes at this path never change once they are readable: files of releases and of timestamped snapshots,
 * and their checksums. Metadata, literal `-SNAPSHOT` names and files outside the layout can change.
 */
export function isImmutable(layout: LayoutPath): boolean {
  switch (layout.kind) {
    case 'artifact':
      return layout.snapshot?.kind !== 'literal'
    case 'checksum':
      return isImmutable(layout.target)
    case 'metadata':
    case 'other':
      return false
  }
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map(
  [
    { mediaType: 'application/xml', extensions: 'pom xml' },
    { mediaType: 'application/json', extensions: 'json module' },
    {
      mediaType: 'text/plain; charset=utf-8',
      extensions:
        'txt asc md properties md5 sha1 sha256 sha512 css csv htm html js kt java mjs svg yaml yml',
    },
    { mediaType: 'application/java-archive', extensions: 'jar war ear rar hpi aar' },
    { mediaType: 'application/zip', extensions: 'zip' },
    { mediaType: 'application/gzip', extensions: 'gz tgz' },
  ].flatMap(({ mediaType, extensions }) =>
    extensions.split(' ').map((extension) => [extension, mediaType] as const),
  ),
)
