/** `detail` says what is wrong and what is allowed, for the user to read. */
export type XmlRefusal = {
  readonly kind: 'too-large' | 'too-complex' | 'document-type' | 'malformed'
  readonly detail: string
}
