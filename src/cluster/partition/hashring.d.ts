/** The part of hashring that is used here; the package brings no types. */
declare module 'hashring' {
  class HashRing {
    /** `hash` gives at least 16 bytes a text; the ring's points are made of them four at a time. */
    constructor(servers: readonly string[], hash: (text: string) => Uint8Array)
    /** The first `size` different servers on the ring from the place of `key` on. */
    range(key: string, size: number): string[]
  }
  export = HashRing
}
