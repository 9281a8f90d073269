import t from 'tap'
import { boundsInWords } from '../src/commands/number-words.ts'
import { printable } from '../src/printable.ts'
import { maskText } from '../src/telemetry/mask.ts'

t.test('what is somebody else’s is shown in one line', async (t) => {
  t.equal(printable('\r\n'), '\\x0d\\x0a')
  t.equal(printable('\u001b[31mRED\u202e'), '\\x1b[31mRED\\u202e')
  t.equal(printable('مصر 05'), 'مصر 05')
  t.equal(printable('x'.repeat(50)), `${'x'.repeat(40)}…`)
})

t.test('bounds of a number are no card number', async (t) => {
  t.equal(boundsInWords(1, 99), 'from 1 to 99')
  const words = `must be a whole number ${boundsInWords(1, Number.MAX_SAFE_INTEGER)}`
  t.equal(maskText(words), words)
})
