import { test } from 'tap'
import { nameOfTwo } from '../../src/commands/access-desk.ts'

test('of two people who agreed the second stands whole in a history, however long the first is', async (t) => {
  t.equal(nameOfTwo('system:clerk', 'checker'), 'system:clerk + checker')
  const second = 'c'.repeat(32)
  const both = nameOfTwo(`system:${'a'.repeat(57)}`, second)
  t.equal(both.length, 64, 'as long as a history keeps')
  t.ok(both.endsWith(` + ${second}`))
})
