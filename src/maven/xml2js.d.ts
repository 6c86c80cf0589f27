/** The part of xml2js that is used here; the package brings no types. */
declare module 'xml2js' {
  export class Parser {
    constructor(options: {
      readonly async: false
      readonly explicitArray: true
      readonly ignoreAttrs: true
    })
    /** Calls back before it returns, since it is not asynchronous; may throw instead. */
    parseString(text: string, callback: (error: Error | null, result: unknown) => void): void
  }

  export class Builder {
    constructor(options: {
      readonly xmldec: { readonly version: '1.0'; readonly encoding: 'UTF-8' }
      readonly renderOpts: {
        readonly pretty: true
        readonly indent: string
        readonly newline: string
      }
    })
    /** Throws when a text contains a character that XML does not allow. */
    buildObject(root: object): string
  }
}
