import type { Test } from 'tap'
import type { Answer, Counterparty, Sent } from '../../src/simulator/counterparty.ts'
import { type LedgerAuthorization, readAuthorizations } from '../../src/simulator/ledger-reader.ts'
import type { Intent } from '../../src/simulator/messages.ts'
import type { Client } from '../../src/store/connection.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { entriesOf, type TestSwitch } from './switch.ts'

/** What an exchange must come to. */
export interface Expected {
  readonly code: string
  readonly result?: string
  /** Entries of its group, as `entriesOf` shows them. @default none */
  readonly entries?: readonly string[]
  /** Holds that it opens. @default 0 */
  readonly holds?: number
  /** Whether a balance may move: by entries, or by a hold that is made or ends. @default false on refusals */
  readonly moves?: boolean
  /** Commands that it writes instead of an authorization: repeats and reused keys. @default 0 */
  readonly commands?: number
}

export interface Outcome {
  readonly sent: Sent
  readonly answer: Answer
  readonly row: LedgerAuthorization | undefined
}

interface Census {
  readonly authorizations: number
  readonly commands: number
  readonly transfers: number
  readonly holds: number
  readonly balances: string
}

/** How much the ledger holds, and a fingerprint of every balance. */
async function censusOf(client: Client): Promise<Census> {
  const { rows } = await client.query<{ row: Census }>({
    // Planned once: there are many in a test file.
    name: 'census',
    text: `select jsonb_build_object(
       'authorizations', (select count(*) from authorization_journal),
       'commands', (select count(*) from command_journal),
       'transfers', (select count(*) from transfer),
       'holds', (select count(*) from hold),
       'balances', (select md5(string_agg(b::text, '|' order by b.lane, b.account, b.period))
                    from (select lane, account, period, posted, held from balance) b)) as row`,
  })
  const [found] = rows
  if (found === undefined) throw new Error('a census has one row')
  return found.row
}

const approvals = new Set(['00', '10'])

/**
 * Sends a message and checks its answer and that the ledger holds exactly what it should: one authorization with the
 * expected entries and holds, and not a balance moved where nothing was posted.
 */
export async function expectExchange(
  t: Test,
  world: TestSwitch,
  counterparty: Counterparty,
  message: Intent | Sent,
  expected: Expected,
): Promise<Outcome> {
  const { code, entries = [], holds = 0, commands = 0, moves = approvals.has(code) } = expected
  const before = await censusOf(world.client)
  const sent = 'frame' in message ? message : counterparty.compose(message)
  const answer = await counterparty.send(sent)
  const after = await censusOf(world.client)
  t.equal(answer.code, code, `DE39 is ${code}`)
  t.equal(answer.mti, answerTo(sent.mti), 'the answer has the type of the request')
  if (approvals.has(code)) t.match(answer.text(38), /^[0-9A-Z]{6}$/, 'an approval has its code in DE38')
  else t.notOk(answer.message.has(38), 'a refusal has no DE38')
  const row = await world.ledger(sent)
  t.same(
    {
      authorizations: after.authorizations - before.authorizations,
      commands: after.commands - before.commands,
      transfers: after.transfers - before.transfers,
      holds: after.holds - before.holds,
    },
    { authorizations: commands > 0 ? 0 : 1, commands, transfers: entries.length / 2, holds },
    'the journal grew by this and nothing else',
  )
  if (!moves) t.equal(after.balances, before.balances, 'no balance moved')
  if (commands === 0) {
    t.match(row, { responseCode: code, ...(expected.result === undefined ? {} : { result: expected.result }) })
    t.same(entriesOf(row), entries, 'the entries of its group')
  }
  return { sent, answer, row }
}

/**
 * Sends many messages at once that must all be refused alike: each leaves one authorization with that result, and
 * nothing is posted, held or moved.
 */
export async function expectRefusals(
  t: Test,
  world: TestSwitch,
  counterparty: Counterparty,
  messages: ReadonlyMap<string, Intent>,
  expected: { readonly code: string; readonly result: string },
): Promise<void> {
  const before = await censusOf(world.client)
  const sent = [...messages].map(([name, intent]) => ({ name, message: counterparty.compose(intent) }))
  const answers = await Promise.all(
    sent.map(async ({ name, message }) => [name, (await counterparty.send(message)).code] as const),
  )
  const after = await censusOf(world.client)
  const allAlike = Object.fromEntries([...messages.keys()].map((name) => [name, expected.code]))
  t.same(Object.fromEntries(answers), allAlike, `all ${messages.size} are answered ${expected.code}`)
  const { authorizations } = before
  t.same(after, { ...before, authorizations: authorizations + messages.size }, 'nothing is posted, held or moved')
  const rows = await readAuthorizations(
    world.client,
    sent.map(({ message }) => message.stamps),
  )
  t.ok(rows.length === messages.size && rows.every((row) => row.result === expected.result), expected.result)
}

/** Checks every invariant of the ledger: how each test that posted something ends. */
export async function expectSoundLedger(t: Test, world: TestSwitch): Promise<void> {
  const results = await verifyLedger(world.databaseUrl)
  for (const { name, ok, detail } of results) t.ok(ok, `${name}: ${detail}`)
}

function answerTo(mti: string): string {
  return `${mti.slice(0, 2)}${Number(mti[2]) + 1}0`
}
