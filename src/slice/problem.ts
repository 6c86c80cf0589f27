/**
 * A refusal as clients see it: RFC 9457 `application/problem+json`. Maven 3.9.11 and later, Maven 4 and Gradle print
 * `detail`; older Maven prints only the reason phrase, so `title` is sent as that too.
 */
export type Problem = {
  readonly status: number
  /** A few words, the same for every occurrence. */
  readonly title: string
  /** What was wrong with this request, what exists, and what to do: sentences for a person. */
  readonly detail: string
  /** Which refusal it is, for programs, where the status alone does not tell. Kebab-case, never changes. */
  readonly kind?: string
  /** The command that goes on from here, where there is one. */
  readonly next?: string
}
