import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import t, { type Test, test } from 'tap'
import { cardCommand } from '../../src/commands/card.ts'
import { maskPan } from '../../src/identifiers.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import { connect } from '../../src/store/connection.ts'
import { saveKeys } from '../../src/store/key-store.ts'
import { commandRunner } from '../support/command.ts'
import { masterKeyHex, testKeys, writerWorld } from '../support/writer.ts'

/** A world with its keys in the store, and the commands on it, in this process. */
async function cardWorld(t: Pick<Test, 'teardown'>) {
  const world = await writerWorld(t)
  const client = await connect({ url: world.url, name: 'mizan test' })
  t.teardown(() => client.end())
  await saveKeys(
    client,
    testKeys.map((key) => ({ kind: 'insert', key })),
    { user: 'tester' },
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-card-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const run = commandRunner({ DATABASE_URL: world.url, MIZAN_VAR: folder, MIZAN_MASTER_KEY: masterKeyHex })
  const mizan = (args: readonly string[], input = '') => run(cardCommand, args, input)
  return { ...world, client, mizan }
}

// One world for all: making one takes longer than any of these tests. The switch starts in the middle.
const { mizan, start, client } = await cardWorld(t)

test('a card is found by its id, by its masked number and household, and by its number on standard input', async (t) => {
  const pan = panOf(7)
  const byId = await mizan(['show', '7'])
  t.equal(byId.status, 0)
  t.match(byId.out, `card 7  ${maskPan(pan)}  active`)
  t.match(byId.out, /household 7, lane 0; expires 3012 \(YYMM\), sequence number 01/)
  t.match(byId.out, /0 wrong PIN\(s\); highest chip counter 0; script that waits: none/)
  for (const run of [
    await mizan(['show', maskPan(pan), '--household', '7']),
    await mizan(['show', '--pan-stdin'], `${pan}\n`),
    await mizan(['show', '--pan-stdin'], pan.replaceAll(/(\d{4})/g, '$1 ').trim()),
  ]) {
    t.same(run, byId)
  }
  const json = JSON.parse((await mizan(['show', '7', '--json'])).out)
  t.match(json, { id: 7, lane: 0, householdId: 7, status: 'active', pinFailures: 0, commands: [] })
})

test('a card number is refused on the command line, and shown nowhere', async (t) => {
  const pan = panOf(7)
  const grouped = pan.replaceAll(/(\d{4})/g, '$1-').slice(0, -1)
  for (const args of [
    ['show', pan],
    ['pin-reset', pan],
    ['show', grouped],
    ['block', pan, '--reason', 'lost'],
    ['show', `card ${pan}`],
  ]) {
    const run = await mizan(args)
    t.equal(run.status, 1)
    t.match(run.errors, /a card number never stands on a command line/)
    t.notMatch(run.errors, pan)
  }
  const reason = await mizan(['block', '7', '--reason', `is ${grouped} of a person`])
  t.match(reason.errors, /the reason holds what looks like a card number/)
  const key = await mizan(['pin-reset', '7', '--idempotency-key', pan])
  t.match(key.errors, /the idempotency key holds what looks like a card number/)
  t.same((await client.query('select from command_inbox')).rowCount, 0)
})

test('what does not name one card is refused in one clear line', async (t) => {
  const refusals: [string[], RegExp, string?][] = [
    [['show'], /name the card by its id, or give --pan-stdin/],
    [['show', '99999'], /there is no card with the id 99999/],
    [['show', '400000******9999', '--household', '7'], /household 7 has no card 400000\*{6}9999/],
    [['show', '400000******0070'], /a card is named by its id/],
    [['show', 'seven'], /a card is named by its id/],
    [['show', '7', '--household', '7'], /a card is named by its id/],
    [['show', '7', '--pan-stdin'], /name the card once/, panOf(7)],
    [['show', '--pan-stdin'], /there is no card with this number/, panOf(9_999)],
    [['show', '--pan-stdin'], /holds no card number/, '4000001234567890'],
    [['show', '--pan-stdin'], /holds no card number/, 'seven\n'],
    [['pin-reset', '7', '--timeout', 'soon'], /--timeout is 0 to 3600 seconds/],
  ]
  for (const [args, message, input = ''] of refusals) {
    const run = await mizan(args, input)
    t.equal(run.status, 1, args.join(' '))
    t.match(run.errors, message)
    t.equal(run.errors.trim().split('\n').length, 1)
    t.equal(run.out, '')
  }
})

test('without a switch the command stays in the inbox, and it is said so', async (t) => {
  const run = await mizan(['pin-reset', '9', '--timeout', '2'])
  t.equal(run.status, 1)
  t.equal(run.out, '')
  t.match(run.errors, /^command \d+ waits for the switch, 1 s\n/)
  t.match(run.errors, /command \d+ stays in the inbox and is carried out once a switch runs\n$/)
  t.match((await mizan(['show', '9'])).out, /pin-reset by .*: waits/)
  await start()
  t.match((await mizan(['pin-reset', '9'])).out, /done: /)
  t.notMatch((await mizan(['show', '9'])).out, /: waits/)
})

test('commands wait for what comes of them', async (t) => {
  const reset = await mizan(['pin-reset', '7'])
  t.equal(reset.status, 0)
  t.match(reset.out, /^card 7 \(400000\*+\d{4}\): done: 0 wrong PIN\(s\) forgotten; .* \[command \d+, journal \d+\]\n$/)
  t.match((await mizan(['show', '7'])).out, /script that waits: pin-unblock, with the next approval online/)
  const blocked = await mizan(['block', '7', '--reason', 'a lost wallet, found again'])
  t.match(blocked.out, /done: the card was active and is restricted/)
  t.match((await mizan(['unblock', '7', '--reason', 'found'])).out, /done: the card was restricted and is active/)
  const lost = await mizan(['block', '--pan-stdin', '--as', 'lost', '--reason', 'lost', '--json'], panOf(7))
  const end = JSON.parse(lost.out)
  t.match(end, { card: 7, lane: 0, done: true, outcome: 'done: the card was active and is lost' })
  t.ok(end.command > 0 && end.journalId > 0 && end.atMs > 0)
  const refused = await mizan(['unblock', '7', '--reason', 'found'])
  t.equal(refused.status, 1, 'a refusal is no success')
  t.match(refused.out, /refused: a card that is lost does not become active/)
  const shown = await mizan(['show', '7'])
  t.match(shown.out, /card 7 {2}\S+ {2}lost/)
  t.equal(shown.out.split('\n').filter((line) => line.includes(`by ${userInfo().username} at `)).length, 5)
})

test('the same command under the same key is carried out once', async (t) => {
  const args = ['block', '8', '--reason', 'a ticket', '--idempotency-key', 'ticket 1']
  const first = await mizan(args)
  t.same(await mizan(args), first)
  t.match(first.out, /done: /)
  const { rows } = await client.query('select count(*)::int from command_inbox where card_id = 8')
  t.same(rows, [{ count: 1 }])
})
