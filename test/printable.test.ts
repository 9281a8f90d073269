import t from 'tap'
import { numberOption } from '../src/commands/number-option.ts'
import { describeError } from '../src/errors.ts'
import { printable } from '../src/printable.ts'
import { maskText } from '../src/telemetry/mask.ts'

t.test('what is somebody else’s is shown in one line', async (t) => {
  t.equal(printable('\r\n'), '\\x0d\\x0a')
  t.equal(printable('\u001b[31mRED\u202e'), '\\x1b[31mRED\\u202e')
  t.equal(printable('مصر 05'), 'مصر 05')
  t.equal(printable('x'.repeat(50)), `${'x'.repeat(40)}…`)
})

t.test('bounds of a number are no card number', async (t) => {
  t.throws(() => numberOption('abc', '--limit', 99), { message: /from 1 to 99/ })
  t.throws(
    () => numberOption('abc', 'ID'),
    (error: Error) => maskText(error.message) === error.message,
  )
})
