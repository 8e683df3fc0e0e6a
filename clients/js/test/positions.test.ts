import { expect, test } from 'vitest'
import { Positions } from '../src/positions.js'

test.each([
  [['e-0-9', 'e-0-10'], 'e-0-10'],
  [['e-0-10', 'e-0-9'], 'e-0-10'],
  [['e-0-x', 'e-0-0'], 'e-0-0'],
  [['e-0-5', 'e-0-x'], 'e-0-5'],
  [['e-0-1,e-1-7', 'e-1-9', 'e-0-2'], 'e-0-2,e-1-9'],
  [['e-0-99,e-1-7', 'f-1-0'], 'f-1-0'],
  [['', 'nonsense', 'e-0', 'e-0--1', 'e-0-1-2'], ''],
  [[undefined, null], ''],
])('%j is %s', (texts, want) => {
  const p = new Positions()
  for (const text of texts) p.merge(text)
  expect(String(p)).toBe(want)
  expect(p.known).toBe(want !== '')
})

test('a reset forgets newer ones', () => {
  const p = new Positions('e-0-9')
  p.reset('e-0-3')
  expect(String(p)).toBe('e-0-3')
})
