import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { compileTemplates, shippedTemplates, type TemplateFile } from '../../src/notification/catalogue.ts'
import { inDigits } from '../../src/notification/numbers.ts'
import { languages, pluralCategory } from '../../src/notification/plural.ts'
import { isStale, quietForMs, retryDelayMs } from '../../src/notification/policy.ts'
import { renderMessage } from '../../src/notification/render.ts'
import { smsLength } from '../../src/notification/sms-parts.ts'
import { longestValue, TEXT_MAX } from '../../src/notification/values.ts'
import { counted, moneyInWords, nouns, shippedWords } from '../../src/notification/words.ts'

const catalogue = compileTemplates()
const arabic = { language: 'ar', digits: 'arab' } as const
const latin = { language: 'ar', digits: 'latn' } as const
const english = { language: 'en', digits: 'latn' } as const
const write = (code: string, detail: Record<string, unknown>, style: typeof arabic | typeof latin | typeof english) =>
  renderMessage(catalogue, code, detail, style).text

t.test('a number asks for the plural form that Unicode says, whatever the number', async (t) => {
  const rules = { ar: new Intl.PluralRules('ar'), en: new Intl.PluralRules('en') }
  for (const language of languages) {
    for (let n = 0; n <= 1_250; n++) t.equal(pluralCategory(language, n), rules[language].select(n), `${language} ${n}`)
    fc.assert(
      fc.property(fc.nat(1_000_000_000), (n) => pluralCategory(language, n) === rules[language].select(n)),
      { numRuns: 2_000 },
    )
  }
  t.equal(pluralCategory('ar', 1.5), 'other')
})

t.test('loaves, days, pounds, piasters, kilograms and points are counted as Arabic counts', async (t) => {
  const cases: [(typeof nouns)[number], number, string][] = [
    ['loaf', 0, 'لا أرغفة'],
    ['loaf', 1, 'رغيف واحد'],
    ['loaf', 2, 'رغيفان'],
    ['loaf', 3, '3 أرغفة'],
    ['loaf', 10, '10 أرغفة'],
    ['loaf', 11, '11 رغيفًا'],
    ['loaf', 99, '99 رغيفًا'],
    ['loaf', 100, '100 رغيف'],
    ['loaf', 101, '101 رغيف'],
    ['loaf', 103, '103 أرغفة'],
    ['loaf', 1_450, '1,450 رغيفًا'],
    ['day', 2, 'يومان'],
    ['day', 7, '7 أيام'],
    ['day', 30, '30 يومًا'],
    ['pound', 300, '300 جنيه'],
    ['pound', 5, '5 جنيهات'],
    ['piaster', 20, '20 قرشًا'],
    ['kilogram', 10, '10 كيلوجرامات'],
    ['kilogram', 1.5, '1.5 كيلوجرام'],
    ['point', 15, '15 نقطة'],
    ['point', 4, '4 نقاط'],
  ]
  for (const [noun, n, text] of cases) t.equal(counted(noun, n, latin), text)
  t.equal(counted('loaf', 2, latin, true), 'رغيفين')
  t.equal(counted('loaf', 5, latin, true), '5 أرغفة')
  t.equal(counted('loaf', 1_450, arabic), '١٬٤٥٠ رغيفًا')
  t.equal(counted('kilogram', 2.25, arabic), '٢٫٢٥ كيلوجرام')
  t.equal(moneyInWords(1_250, arabic), '١٢ جنيهًا و٥٠ قرشًا')
  t.equal(moneyInWords(102, latin), 'جنيه واحد وقرشان')
  t.equal(moneyInWords(25, latin), '25 قرشًا')
  t.equal(moneyInWords(0, latin), 'صفر جنيه')
})

t.test('every counted number says itself, in the digits asked for and no others', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...nouns), fc.nat(10_000_000), fc.constantFrom(arabic, latin), (noun, n, style) => {
      const text = counted(noun, n, style)
      const digits = text.match(style.digits === 'arab' ? /[٠-٩٬]+/ : /[0-9,]+/)?.[0] ?? ''
      const said = digits.replaceAll(/[٠-٩]/g, (one) => String(one.charCodeAt(0) - 0x660)).replaceAll(/[٬,]/g, '')
      const wrong = style.digits === 'arab' ? /[0-9]/ : /[٠-٩]/
      return (n <= 2 ? digits === '' : Number(said) === n) && !wrong.test(text)
    }),
  )
})

t.test('messages read as they should', async (t) => {
  const notice = { card: '400000******0012', place: 'مكتب بريد الميناء', until: '2027-01-15' }
  t.equal(
    write('collection-notice', notice, arabic),
    'بطاقتكم الموحدة المنتهية بالرقم \u2066*٠٠١٢\u2069 جاهزة للاستلام من مكتب بريد الميناء. آخر موعد للاستلام ١٥ يناير ٢٠٢٧. يرجى إحضار بطاقة الرقم القومي.',
  )
  const bread = {
    amount: { amount: 15, unit: 'LOAF' },
    programme: { ar: 'الخبز المدعم', en: 'subsidised bread' },
    outlet: 'مخبز 7',
    leftToday: { amount: 0, unit: 'LOAF' },
    leftMonth: { amount: 2, unit: 'LOAF' },
  }
  t.equal(
    write('dispense', bread, arabic),
    'تم صرف ١٥ رغيفًا من الخبز المدعم لدى مخبز 7. المتبقي اليوم: لا أرغفة. المتبقي هذا الشهر: رغيفان.',
  )
  t.equal(
    write('dispense', { ...bread, amount: { amount: 2, unit: 'LOAF' }, leftToday: undefined }, latin),
    'تم صرف رغيفين من الخبز المدعم لدى مخبز 7. المتبقي هذا الشهر: رغيفان.',
  )
  t.equal(
    write('dispense', bread, english),
    '15 loaves of subsidised bread dispensed at مخبز 7. Left today: 0 loaves. Left this month: 2 loaves.',
  )
  t.match(write('card-blocked', { card: '0012' }, arabic), '١٥٩٩٩', 'fixed numbers too are in the digits of the rest')
  t.match(write('replacement-ordered', { fee: 30_000, by: 20_270_131 }, latin), 'الرسوم: 300 جنيه. ')
  t.equal(
    write('declined-low-balance', { amount: 5_075, balance: 123_450 }, english),
    'A payment of 50.75 pounds was declined: the balance is too low. Available: 1,234.50 pounds.',
  )
  t.match(
    write('account-debited', { amount: 200, outlet: 'Shop 12' }, latin),
    'تم خصم جنيهين من حسابكم البريدي لدى \u2066Shop 12\u2069.',
  )
})

t.test('what comes from outside cannot break a message, hide in it, or make it longer than allowed', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom(arabic, english), (place, style) => {
      const detail = { place, until: 20_270_115 }
      try {
        const { text, length } = renderMessage(catalogue, 'collection-extended', detail, style)
        return !/[\p{Cc}\u202a-\u202e]/u.test(text) && length.parts <= 3
      } catch (error) {
        return /place must be a text/.test(String(error))
      }
    }),
    { numRuns: 40 },
  )
  t.throws(() => write('collection-extended', { until: 20_270_230 }, arabic), {
    code: 'BAD_INPUT',
    message: /place is missing; until must be a date/,
  })
  t.throws(() => write('dispense', { amount: { amount: -1, unit: 'LOAF' }, programme: 'x' }, arabic), {
    code: 'BAD_INPUT',
  })
  t.throws(
    () => write('card-blocked', { card: '4000000000000012' }, arabic),
    /card must be the last four/,
    'a whole number is refused',
  )
  t.throws(() => write('nothing-such', {}, arabic), { code: 'NOT_FOUND' })
})

t.test('each shipped template is written in both languages, within its parts', async (t) => {
  for (const template of catalogue.templates.values()) {
    for (const style of [arabic, latin, english]) {
      const detail = Object.fromEntries(
        [...template.fields].map(([name, { kind }]) => [name, longestValue(kind, style.language)]),
      )
      const { text, length } = renderMessage(catalogue, template.code, detail, style)
      t.ok(length.parts <= template.maxParts, `${template.code} ${length.parts}`)
      t.notMatch(text, /[{}[\]]|undefined|NaN/, template.code)
      t.equal(length.encoding, style.language === 'en' ? 'GSM-7' : 'UCS-2')
    }
  }
  t.same(catalogue.optOutGroups, ['dispense', 'entitlement', 'account'], 'blocks and collection always come')
})

t.test('the page names every template, and programmes are said by their whole names', async (t) => {
  const page = readFileSync(new URL('../../docs/notifications.md', import.meta.url), 'utf8')
  for (const code of catalogue.templates.keys()) t.match(page, `\`${code}\``)
  for (const { name } of shippedProgrammes) {
    for (const text of [name.ar, name.en]) t.ok([...text].length <= TEXT_MAX, text)
  }
})

t.test('faulty templates are named all at once', async (t) => {
  const [file] = shippedTemplates as [TemplateFile]
  const entry = { fields: { place: 'text', until: 'date?', fee: 'gold' }, maxParts: 1, ar: '', en: '' }
  const bad = {
    ...file,
    templates: {
      'test-one': { ...entry, ar: '{place} {until} {who} [', en: `{place:decimal} {place:loud} ${'x'.repeat(200)}` },
    },
  }
  for (const fault of [
    /test-one\.fields\.fee must be one of/,
    /ar: a \[ is never closed/,
    /ar: \{who\} is no field/,
    /ar: \{until\} may be missing/,
    /en: \{place\} is no money/,
    /en: \{place:loud\} has no such modifier/,
    /en: \{until\} is never said/,
  ]) {
    t.throws(() => compileTemplates([bad]), { code: 'CONFIG_INVALID', message: fault })
  }
  const long = { ...file, templates: { 'test-two': { fields: {}, maxParts: 1, ar: 'م'.repeat(71), en: 'x' } } }
  t.throws(() => compileTemplates([long]), /test-two\.ar may take 2 SMS parts/)
  const { many: _, ...forms } = shippedWords.nouns.loaf?.ar ?? {}
  const words = {
    ...shippedWords,
    nouns: { ...shippedWords.nouns, loaf: { ar: forms, en: { one: 'x', other: 'loaves' } } },
  }
  t.throws(
    () => compileTemplates(shippedTemplates, words),
    /loaf\.ar has no form many; loaf\.en\.other does not say \{n\}/,
  )
})

t.test('SMS parts are counted as networks count them', async (t) => {
  const cases: [string, string, number, number][] = [
    ['a'.repeat(160), 'GSM-7', 160, 1],
    ['a'.repeat(161), 'GSM-7', 161, 2],
    ['a'.repeat(306), 'GSM-7', 306, 2],
    ['a'.repeat(307), 'GSM-7', 307, 3],
    ['€'.repeat(80), 'GSM-7', 160, 1],
    [`${'a'.repeat(152)}€${'a'.repeat(152)}`, 'GSM-7', 306, 3],
    ['ب'.repeat(70), 'UCS-2', 70, 1],
    ['ب'.repeat(71), 'UCS-2', 71, 2],
    ['ب'.repeat(134), 'UCS-2', 134, 2],
    ['ب'.repeat(135), 'UCS-2', 135, 3],
    [`${'ب'.repeat(66)}😀${'ب'.repeat(66)}`, 'UCS-2', 134, 3],
    ['', 'GSM-7', 0, 1],
  ]
  for (const [text, encoding, units, parts] of cases) t.same(smsLength(text), { encoding, units, parts })
})

t.test('hours of rest end at eight in Cairo, also in the nights when the clocks change', async (t) => {
  const night = { from: '22:00', to: '08:00' }
  const cases: [string, string | undefined][] = [
    ['2026-11-11T21:59:59+02:00', undefined],
    ['2026-11-11T22:00:00+02:00', '2026-11-12T08:00:00+02:00'],
    ['2026-11-12T07:59:59+02:00', '2026-11-12T08:00:00+02:00'],
    ['2026-11-12T08:00:00+02:00', undefined],
    ['2026-04-23T23:00:00+02:00', '2026-04-24T08:00:00+03:00'],
    ['2026-10-29T22:30:00+03:00', '2026-10-30T08:00:00+02:00'],
  ]
  for (const [at, end] of cases) {
    const ms = Date.parse(at)
    t.equal(quietForMs(ms, night), end === undefined ? 0 : Date.parse(end) - ms, at)
  }
  t.equal(quietForMs(Date.parse('2026-11-11T13:00:00+02:00'), { from: '12:00', to: '14:00' }), 3_600_000)
  t.equal(quietForMs(Date.parse('2026-11-11T00:00:00+02:00'), { from: '00:00', to: '00:00' }), 0)
})

t.test('repetitions wait longer each time, within bounds', async () => {
  const policy = { attempts: 10, firstRetryMs: 1_000, longestRetryMs: 60_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(100_000),
      (failed, chance, wanted) => {
        const delay = retryDelayMs(policy, failed, chance, wanted)
        const full = Math.min(60_000, 1_000 * 2 ** (failed - 1))
        return delay >= full / 2 && delay <= 60_000 && delay >= Math.min(wanted, 60_000)
      },
    ),
  )
})

t.test('old news is dropped', async (t) => {
  t.equal(isStale(0, 24, 24 * 3_600_000), false)
  t.equal(isStale(0, 24, 24 * 3_600_000 + 1), true)
  t.equal(inDigits('1,234.5', 'arab'), '١٬٢٣٤٫٥')
})
