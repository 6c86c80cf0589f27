import type { LayoutPath } from './layout.ts'

/**
 * The Content-Type of a file, by the end of its name. HTML, scripts and images that can hold scripts are served as plain
 * text or bytes, since an upload must not run in a browser at this origin (CVE-2024-36115); XML can still be made to, so
 * responses need `nosniff` and a sandbox besides.
 */
export function mediaTypeOf(path: string): string {
  return typeOf(path)?.mediaType ?? 'application/octet-stream'
}

/** Whether a response with this file is worth compressing: text is, archives are compressed already. */
export function isCompressible(path: string): boolean {
  return typeOf(path)?.isText ?? false
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

type FileType = { readonly mediaType: string; readonly isText: boolean }

const TYPES = new Map<string, FileType>(
  [
    { mediaType: 'application/xml', isText: true, extensions: 'pom xml' },
    { mediaType: 'application/json', isText: true, extensions: 'json module' },
    {
      mediaType: 'text/plain; charset=utf-8',
      isText: true,
      extensions:
        'txt asc md properties md5 sha1 sha256 sha512 css csv htm html js kt java mjs svg yaml yml',
    },
    { mediaType: 'application/java-archive', isText: false, extensions: 'jar war ear rar hpi aar' },
    { mediaType: 'application/zip', isText: false, extensions: 'zip' },
    { mediaType: 'application/gzip', isText: false, extensions: 'gz tgz' },
  ].flatMap(({ mediaType, isText, extensions }) =>
    extensions.split(' ').map((extension) => [extension, { mediaType, isText }] as const),
  ),
)

function typeOf(path: string): FileType | undefined {
  return TYPES.get(path.slice(path.lastIndexOf('.') + 1).toLowerCase())
}
