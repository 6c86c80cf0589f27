import { expect, test } from 'vitest'
import { transientBytes } from '../../src/base/transient.ts'

test('each piece is as long as was asked for, holds zeros, and nobody else gets any of it', () => {
  const sizes = [0, 1, 64, 65, 300, 4_096, 4_097, 40_000]
  const pieces = Array.from({ length: 400 }, (_, i) => {
    const size = sizes[i % sizes.length] ?? 0
    const piece = transientBytes(size)
    expect(piece.length).toBe(size)
    expect(piece.every((byte) => byte === 0)).toBe(true)
    return piece.fill(i % 255)
  })
  for (const [i, piece] of pieces.entries()) {
    expect(piece.every((byte) => byte === i % 255)).toBe(true)
  }
})

test('small pieces share their memory', () => {
  const pieces = Array.from({ length: 10 }, () => transientBytes(100))
  expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBeLessThan(3)
})
