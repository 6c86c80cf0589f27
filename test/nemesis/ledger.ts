/**
 * What clients of a repository were told, and whether what is found there agrees with it. A file has one content for ever,
 * whoever else wanted another one.
 */

/** `unknown` may have been stored or not; `refused` by an answer that says that other bytes are there. */
export type Standing = 'unknown' | 'acknowledged' | 'refused'

/** What a reader found: the digest of the bytes, or that there is nothing. */
export type Found = { readonly sha256: string | undefined }

export class Ledger {
  /** By path, then by the digest that was sent: what became of it. */
  readonly #files = new Map<string, Map<string, Standing>>()
  /** Versions whose metadata upload was acknowledged, by artifact. */
  readonly #versions = new Map<string, Set<string>>()
  readonly #faults: string[] = []

  get faults(): readonly string[] {
    return this.#faults
  }

  /** Before the upload is sent. What was acknowledged stays so when the same is sent again. */
  begin(path: string, sha256: string): void {
    const variants = this.#files.get(path) ?? new Map<string, Standing>()
    this.#files.set(path, variants)
    if (!variants.has(sha256)) variants.set(sha256, 'unknown')
  }

  acknowledge(path: string, sha256: string): void {
    this.begin(path, sha256)
    const variants = this.#files.get(path)
    const other = [...(variants ?? [])].find(
      ([digest, standing]) => standing === 'acknowledged' && digest !== sha256,
    )
    if (other !== undefined) this.#faults.push(`${path}: two contents were acknowledged`)
    if (variants?.get(sha256) === 'refused')
      this.#faults.push(`${path}: a content was refused and then acknowledged`)
    variants?.set(sha256, 'acknowledged')
  }

  /** Answered that there are other bytes. */
  refuse(path: string, sha256: string): void {
    const variants = this.#files.get(path)
    if (variants?.get(sha256) === 'acknowledged')
      this.#faults.push(`${path}: a content was acknowledged and then refused`)
    if (variants?.size === 1) this.#faults.push(`${path}: refused, and nobody sent other bytes`)
    variants?.set(sha256, 'refused')
  }

  acknowledgeVersion(artifact: string, version: string): void {
    this.#versions.set(artifact, (this.#versions.get(artifact) ?? new Set()).add(version))
  }

  paths(): string[] {
    return [...this.#files.keys()]
  }

  acknowledgedPaths(): string[] {
    return this.paths().filter((path) => this.acknowledged(path) !== undefined)
  }

  /** The digest of what was acknowledged there. */
  acknowledged(path: string): string | undefined {
    const variants = [...(this.#files.get(path) ?? [])]
    return variants.find(([, standing]) => standing === 'acknowledged')?.[0]
  }

  artifacts(): string[] {
    return [...this.#versions.keys()]
  }

  /** A copy: what was acknowledged when it was asked. */
  versions(artifact: string): string[] {
    return [...(this.#versions.get(artifact) ?? [])]
  }

  /** What is wrong with what every node shows at one path; undefined if nothing is. */
  misfit(path: string, found: readonly Found[]): string | undefined {
    const digests = new Set(found.map(({ sha256 }) => sha256))
    if (digests.size > 1) return `${path}: the nodes differ`
    const [digest] = digests
    const acknowledged = this.acknowledged(path)
    if (acknowledged !== undefined && digest === undefined)
      return `${path}: acknowledged and not there`
    if (acknowledged !== undefined && digest !== acknowledged)
      return `${path}: not what was acknowledged`
    if (digest === undefined) return undefined
    const standing = this.#files.get(path)?.get(digest)
    if (standing === undefined) return `${path}: bytes that nobody sent`
    return standing === 'refused' ? `${path}: bytes that were refused` : undefined
  }
}
