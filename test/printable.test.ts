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
  const refusal = (max?: number) => {
    try {
      return String(numberOption('abc', 'ID', max))
    } catch (error) {
      return describeError(error)
    }
  }
  t.match(refusal(99), 'ID must be a whole number from 1 to 99')
  t.equal(maskText(refusal()), refusal())
})
