import { InvalidArgumentError } from 'commander'

/** Reads a flag's whole number from `least` to `most`; everything else is bad usage. */
export function numberFlag(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`${least} to ${most}.`)
  }
}
