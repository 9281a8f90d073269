import fc from 'fast-check'
import t from 'tap'
import { addDays, type CivilDate } from '../../src/calendar.ts'
import { birthPlaceOf, governorates, isGovernorate } from '../../src/card/governorates.ts'
import { readIban } from '../../src/card/iban.ts'
import { maskMobile, readMobileNumber } from '../../src/card/mobile-number.ts'
import { readNationalId } from '../../src/card/national-id.ts'
import { asciiDigits } from '../../src/identifiers.ts'

const today = 20261111 as CivilDate

/** The same digits as they stand on an Arabic document. */
function arabic(text: string): string {
  return text.replaceAll(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))
}

t.test('a national ID says when and where its holder was born, and of which sex', async (t) => {
  const cases: [string, number, string, string][] = [
    ['29001010112345', 19900101, 'female', 'C'],
    ['30002290301239', 20000229, 'male', 'PTS'],
    ['26312318800217', 19631231, 'male', 'abroad'],
    ['32611110102480', 20261111, 'female', 'C'],
  ]
  for (const [text, birthDate, sex, bornIn] of cases) {
    for (const written of [text, arabic(text), `${text.slice(0, 7)} ${text.slice(7)}`]) {
      t.same(readNationalId(written, { today }).id, { digits: text, birthDate, sex, bornIn })
    }
  }
})

t.test('what is no national ID is refused with the reason, which does not repeat it', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /digits only/],
    ['2900101011234A', /digits only/],
    ['2900101011234', /has 14 digits, this has 13/],
    ['290010101123456', /has 14 digits, this has 15/],
    ['19001010112345', /begins with 2/],
    ['49001010112345', /begins with 2/],
    ['29002300112345', /date of birth in the national ID does not exist/],
    ['29902290112345', /date of birth in the national ID does not exist/],
    ['29013010112345', /date of birth in the national ID does not exist/],
    ['32611120112345', /in the future/],
    ['29001010512345', /names no governorate: 05/],
  ]
  for (const [text, reason] of cases) {
    const { fault = '' } = readNationalId(text, { today })
    t.match(fault, reason, text)
    t.notMatch(fault, /\d{5}/)
  }
  const refusing = readNationalId('29001010112345', { today, checkDigit: (digits) => digits.endsWith('9') })
  t.match(refusing.fault, /check digit/, 'an installation may know the check digit')
})

t.test('every date and place makes an ID that reads back', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 46_000 }),
      fc.constantFrom(...Object.values(governorates)),
      fc.integer({ min: 0, max: 99_999 }),
      (days, { birthCode }, serial) => {
        const birthDate = addDays(19000101 as CivilDate, days)
        const century = birthDate < 20000000 ? '2' : '3'
        const text = `${century}${String(birthDate).slice(2)}${birthCode}${String(serial).padStart(5, '0')}`
        const { id } = readNationalId(text, { today })
        return id?.birthDate === birthDate && (id.sex === 'male') === (Math.floor(serial / 10) % 2 === 1)
      },
    ),
  )
})

t.test('27 governorates, each with a birth code of its own', async (t) => {
  const codes = Object.values(governorates).map(({ birthCode }) => birthCode)
  t.equal(codes.length, 27)
  t.equal(new Set(codes).size, 27)
  for (const [code, { birthCode }] of Object.entries(governorates)) t.equal(birthPlaceOf(birthCode), code)
  t.ok(isGovernorate('PTS'))
  t.notOk(isGovernorate('toString'))
})

t.test('a mobile number is read however it is written', async (t) => {
  for (const text of [
    '01012345678',
    '+201012345678',
    '00201012345678',
    '201012345678',
    '010 1234 5678',
    '(010) 1234-5678',
    '\u200e+20 10 12345678',
    arabic('01012345678'),
  ]) {
    t.same(readMobileNumber(text).mobile, { number: '+201012345678', operator: 'Vodafone' }, text)
  }
  const operators = ['011', '012', '015'].map((prefix) => readMobileNumber(`${prefix}00000001`).mobile?.operator)
  t.same(operators, ['e&', 'Orange', 'WE'])
  for (const text of ['', '0101234567', '010123456789', '01312345678', '0223456789', '+971501234567', '1012345678']) {
    t.match(readMobileNumber(text).fault, /^a mobile number /, text)
  }
  t.equal(maskMobile('+201012345678'), '**********678')
})

t.test('an IBAN has the check digits of its account', async (t) => {
  // ISO 13616 registry's own example for Egypt.
  const iban = 'EG380019000500000000263180002'
  for (const text of [iban, 'eg38 0019 0005 0000 0000 2631 8000 2', arabic(iban)]) t.equal(readIban(text), iban)
  for (const text of ['', 'EG', iban.slice(0, -1), `${iban}0`, iban.replace('EG', 'SA')])
    t.equal(readIban(text), undefined)
  for (let at = 2; at < iban.length; at++) {
    const digit = (Number(iban[at]) + 1) % 10
    t.equal(readIban(`${iban.slice(0, at)}${digit}${iban.slice(at + 1)}`), undefined, `digit ${at} is wrong`)
  }
})

t.test('digits of either script become 0 to 9, and nothing else changes', async (t) => {
  t.equal(asciiDigits('٠١٢٣٤٥٦٧٨٩ ۰۱۲۳۴۵۶۷۸۹ 0-9 بطاقة'), '0123456789 0123456789 0-9 بطاقة')
  fc.assert(fc.property(fc.stringMatching(/^[0-9 a-z]*$/), (text) => asciiDigits(arabic(text)) === text))
})
