import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import t from 'tap'
import { readForeignDialects } from '../../src/commands/dialect-files.ts'
import type { Dialect } from '../../src/iso8583/dialect.ts'
import { compileDialect } from '../../src/iso8583/dialect.ts'
import { dialects } from '../../src/iso8583/dialects.ts'
import type { ForeignDialect } from '../../src/iso8583/foreign-dialect.ts'
import { fromForeignDialect } from '../../src/iso8583/foreign-dialect.ts'
import type { KnownAnswer } from '../../src/iso8583/known-answers.ts'
import { checkKnownAnswer } from '../../src/iso8583/known-answers.ts'
import { readSubfields } from '../../src/iso8583/subfields.ts'
import { formatVisaHeader, parseVisaHeader } from '../../src/iso8583/visa-header.ts'
import { sharedVectors, skipWithout } from '../support/shared-vectors.ts'

/** A known answer in the project's own form. */
interface Answer {
  readonly name: string
  readonly source: string
  readonly dialect?: string
  readonly table?: ForeignDialect
  readonly frame?: string
  readonly header?: string
  readonly headerFields?: Readonly<Record<string, unknown>>
  readonly message: string
  readonly mti?: string
  readonly fields?: Readonly<Record<string, string>>
  readonly parts?: Readonly<Record<string, string>>
  readonly fails?: string
}

function answersOf(file: string): Answer[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')) as Answer[]
}

function dialectOf(answer: Answer): Dialect {
  const shipped = answer.dialect === undefined ? undefined : dialects[answer.dialect]
  return shipped ?? compileDialect(fromForeignDialect(answer.name, answer.table ?? {}))
}

for (const file of ['iso8583-visa.json', 'iso8583-domestic.json', 'iso8583-peers.json']) {
  t.test(file, (t) => {
    for (const answer of answersOf(file)) {
      t.test(`${answer.name} (${answer.source})`, (t) => {
        checkAnswer(t, answer)
        t.end()
      })
    }
    t.end()
  })
}

function checkAnswer(t: Test, answer: Answer): void {
  const bytes = Buffer.from(answer.message, 'hex')
  const message = dialectOf(answer).decode(bytes)
  if (answer.fails !== undefined) {
    t.equal(message.failure?.field, answer.fails)
    return
  }
  t.equal(message.failure, undefined)
  t.equal(message.mti, answer.mti)
  const read = Object.fromEntries(message.fieldNumbers().map((de) => [de, message.text(de)]))
  t.same(read, answer.fields)
  const written = message.dialect.encode(message.mti, fieldsOf(read), message.bitmaps)
  t.equal(written.toString('hex'), answer.message.toLowerCase(), 'writes the same bytes')
  for (const [path, value] of Object.entries(answer.parts ?? {})) {
    const parts = readSubfields(message, Number.parseInt(path, 10))
    t.equal(parts?.failure, undefined)
    t.equal(parts?.parts.find((part) => part.path === path)?.value, value, path)
  }
  if (answer.header !== undefined) checkHeader(t, answer, bytes.length)
}

function checkHeader(t: Test, answer: Answer, bodyBytes: number): void {
  const bytes = Buffer.from(`${answer.header}${answer.message}`, 'hex')
  const result = parseVisaHeader(bytes)
  t.equal(result.failure, undefined)
  t.equal(result.bodyStart, 22)
  t.notOk(result.lengthDiffers)
  t.match(result.header, answer.headerFields ?? {})
  t.equal(Buffer.from(answer.frame ?? '', 'hex').readUInt16BE(0), result.header?.totalLength, 'frame and H4 agree')
  if (result.header !== undefined) t.equal(formatVisaHeader(result.header, bodyBytes).toString('hex'), answer.header)
}

function fieldsOf(read: Readonly<Record<string, string | undefined>>): (string | undefined)[] {
  const fields: (string | undefined)[] = []
  for (const [key, value] of Object.entries(read)) fields[Number(key)] = value
  return fields
}

const shared = sharedVectors('iso8583.json')

t.test('the shared known answers', { skip: skipWithout(shared) }, (t) => {
  const answers = JSON.parse(readFileSync(shared, 'utf8')) as KnownAnswer[]
  const foreign = readForeignDialects(sharedVectors('iso8583-dialects.json'))
  for (const answer of answers) {
    const own = dialects[answer.dialect]
    const table = foreign.get(answer.dialect)
    if (table !== undefined)
      t.same(
        checkKnownAnswer(answer, table, (de) => own?.subfields(de)),
        [],
        answer.id,
      )
    if (own !== undefined) t.same(checkKnownAnswer(answer, own), [], `${answer.id} by the shipped table`)
  }
  t.end()
})
