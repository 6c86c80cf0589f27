/**
 * Maven-resolver's version order, `GenericVersion`: the one that ranges and metadata use. (Maven has a second,
 * `ComparableVersion`, which differs on about one pair in twenty of odd versions.)
 *
 * A version is a row of numbers and words, split at `.`, `-`, `_` and where digits meet other characters. Known words
 * (alpha < beta < milestone < rc = cr < snapshot < "" = ga = final = release < sp) come before unknown ones, which
 * compare as lowercase text. Missing items count as zero or "", so `1`, `1.0` and `1-ga` are equal.
 */

/** Negative, zero or positive in maven-resolver's `GenericVersion` order. Different texts can be equal. */
export function compareVersions(a: string, b: string): number {
  return compareItems(parseItems(a), parseItems(b))
}

/**
 * The versions ascending, equal ones by their text, each text once. The same set gives the same list whatever its order:
 * the sort is stable and begins with the order of the texts, since `GenericVersion` is no strict order of versions that
 * begin with a word (`a` = `0` = `b`, yet `a` < `b`).
 */
export function sortVersions(versions: Iterable<string>): string[] {
  return [...new Set(versions)]
    .sort()
    .map((version) => ({ version, items: parseItems(version) }))
    .sort((a, b) => compareItems(a.items, b.items))
    .map(({ version }) => version)
}

/**
 * Whether a version is a SNAPSHOT: `-SNAPSHOT` at its end, or a timestamp and build number in that place. `1.0SNAPSHOT`
 * and `1.0.SNAPSHOT` are releases, for with a timestamp in its place maven-resolver would not know them again; so is
 * `1.0-snapshot`, since it minds the case.
 */
export function isSnapshot(version: string): boolean {
  return SNAPSHOT.test(version) || TIMESTAMPED.test(version)
}

/** The name of the version's directory (maven-resolver's base version): `1.0-20240102.030405-6` → `1.0-SNAPSHOT`. */
export function baseVersionOf(version: string): string {
  return version.replace(TIMESTAMPED, '$1SNAPSHOT')
}

const SNAPSHOT = /(?:^|-)SNAPSHOT$/
const TIMESTAMPED = /^(|.*-)[0-9]{8}\.[0-9]{6}-[0-9]+$/

/**
 * Two items of one sort compare by weight, then text; a missing item weighs 0. A number weighs its count of significant
 * digits, which are its text, so that it may have any size.
 */
type Item = { readonly isNumber: boolean; readonly weight: number; readonly text: string }

const ZERO: Item = { isNumber: true, weight: 0, text: '' }

/** Only at the end of a version, where ranges use them: before and after every number. */
const BOUNDS = new Map<string, Item>([
  ['min', { isNumber: true, weight: -1, text: '' }],
  ['max', { isNumber: true, weight: Number.POSITIVE_INFINITY, text: '' }],
])

const QUALIFIERS = new Map<string, Item>(
  Object.entries({
    alpha: -5,
    beta: -4,
    milestone: -3,
    rc: -2,
    cr: -2,
    snapshot: -1,
    ga: 0,
    final: 0,
    release: 0,
    sp: 1,
  }).map(([word, weight]) => [word, { isNumber: false, weight, text: '' }]),
)

const UNKNOWN_WORD_WEIGHT = 2

/** Read so only directly before a digit, as in `1.0b2`. */
const ABBREVIATIONS = new Map([
  ['a', 'alpha'],
  ['b', 'beta'],
  ['m', 'milestone'],
])

function compareItems(these: readonly Item[], those: readonly Item[]): number {
  let previousIsNumber = true
  for (let i = 0; ; i++) {
    const a = these[i]
    const b = those[i]
    if (a === undefined) return b === undefined ? 0 : -compareToNothing(those, i)
    if (b === undefined) return compareToNothing(these, i)
    if (a.isNumber !== b.isNumber) {
      // The side that goes on in the sort of the items before is held against missing items of that sort.
      if (a.isNumber === previousIsNumber) return compareToNothing(these, i, previousIsNumber)
      return -compareToNothing(those, i, previousIsNumber)
    }
    const order = compareItem(a, b)
    if (order !== 0) return order
    previousIsNumber = a.isNumber
  }
}

function compareItem(a: Item, b: Item): number {
  if (a.weight !== b.weight) return a.weight < b.weight ? -1 : 1
  if (a.text === b.text) return 0
  return a.text < b.text ? -1 : 1
}

/** Compares the items from `start` on with missing ones: all of them, or the run of one sort. */
function compareToNothing(items: readonly Item[], start: number, isNumber?: boolean): number {
  for (let i = start; i < items.length; i++) {
    const item = items[i] as Item
    if (isNumber !== undefined && item.isNumber !== isNumber) break
    if (item.weight !== 0) return Math.sign(item.weight)
  }
  return 0
}

function parseItems(version: string): readonly Item[] {
  const items: Item[] = []
  const end = version.length
  let at = 0
  while (at < end) {
    const start = at
    const isNumber = isDigit(version, at)
    while (at < end && !isSeparator(version, at) && isDigit(version, at) === isNumber) at++
    const token = version.slice(start, at)
    const beforeDigit = isDigit(version, at)
    if (isSeparator(version, at)) at++
    if (token === '') items.push(ZERO)
    else if (isNumber) items.push(numberItem(token))
    else items.push(wordItem(token.toLowerCase(), { beforeDigit, atEnd: at === end }))
  }
  if (items.length === 0) items.push(ZERO)
  trimZeros(items)
  return items
}

function numberItem(digits: string): Item {
  const text = digits.replace(/^0+/, '')
  return { isNumber: true, weight: text.length, text }
}

function wordItem(text: string, place: { beforeDigit: boolean; atEnd: boolean }): Item {
  const bound = place.atEnd ? BOUNDS.get(text) : undefined
  if (bound !== undefined) return bound
  const word = place.beforeDigit ? (ABBREVIATIONS.get(text) ?? text) : text
  return QUALIFIERS.get(word) ?? { isNumber: false, weight: UNKNOWN_WORD_WEIGHT, text }
}

/** Drops zeros at the end of each run of one sort; only the run that ends the version may vanish altogether. */
function trimZeros(items: Item[]): void {
  let atRunEnd = true
  for (let i = items.length - 1; i > 0; i--) {
    const item = items[i] as Item
    const continues = items[i - 1]?.isNumber === item.isNumber
    const isTrimmed: boolean =
      atRunEnd && item.weight === 0 && (continues || i === items.length - 1)
    if (isTrimmed) items.splice(i, 1)
    atRunEnd = isTrimmed || !continues
  }
}

function isDigit(version: string, at: number): boolean {
  const code = version.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
}

function isSeparator(version: string, at: number): boolean {
  const code = version.charCodeAt(at)
  return code === 0x2e || code === 0x2d || code === 0x5f
}
