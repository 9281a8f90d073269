import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import t from 'tap'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { inWords } from '../../src/commands/explain.ts'
import { forwardCommand } from '../../src/commands/forward.ts'
import { keysCommand } from '../../src/commands/keys.ts'
import { parseElements48 } from '../../src/iso8583/tlv.ts'
import { Counterparty } from '../../src/simulator/counterparty.ts'
import { readWorld } from '../../src/simulator/demo-files.ts'
import { transaction } from '../../src/simulator/messages.ts'
import { rails } from '../../src/simulator/rails.ts'
import { connect } from '../../src/store/connection.ts'
import { type Explanation, explainAuthorizations, explainKey } from '../../src/store/explain.ts'
import { enqueueCutover } from '../../src/store/outbound-message.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { createTestDatabase } from '../support/database.ts'
import { approved, NetworkPeer } from '../support/network-peer.ts'

const cli = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli.ts')
const WAIT_MS = 30_000

/** Waits until something is so. */
async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; ) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error(`${what}: not within ${WAIT_MS} ms`)
}

t.test('a switch that dies between a message of its own and the answer', async (t) => {
  const { url } = await createTestDatabase(t)
  const peer = await NetworkPeer.listen(t)
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-forwarding-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const config = path.join(folder, 'config.json')
  const post = { name: 'post', host: '127.0.0.1', port: peer.port, dialect: 'iso87-ascii', timeoutMs: 2_000 }
  writeFileSync(
    config,
    JSON.stringify({
      varDir: 'var',
      demo: { enabled: true, households: 12 },
      jobs: { enabled: false },
      outbound: [{ ...post, backoff: { minMs: 20, maxMs: 100 } }],
      forwarding: { leaseMs: 1_000, backoff: { minMs: 50, maxMs: 100 } },
    }),
  )
  const ports = { MIZAN_PORT_ASCII: '0', MIZAN_PORT_VISA: '0', MIZAN_PORT_BCD: '0', MIZAN_PORT_HTTP: '0' }
  const env = { ...process.env, ...ports, DATABASE_URL: url, MIZAN_MASTER_KEY: 'a5'.repeat(32) }
  const said = async (make: (io: CommandIo) => Command, ...words: string[]) => {
    let text = ''
    const out = (written: string) => {
      text += written
    }
    await make({ ...processIo, env, out }).parseAsync([...words, '--config', config], { from: 'user' })
    return text
  }
  const listeners = path.join(folder, 'var', 'run', 'listeners.json')
  const start = async () => {
    rmSync(listeners, { force: true })
    const child = spawn(process.execPath, [cli, 'start', '--config', config], { env, stdio: 'ignore' })
    t.teardown(() => child.kill('SIGKILL'))
    await until('the switch is ready', () => existsSync(listeners) || undefined)
    return { child, ports: JSON.parse(readFileSync(listeners, 'utf8')) as { ascii: number; http: number } }
  }

  const first = await start()
  const client = await connect({ url, name: 'test' })
  t.teardown(() => client.end())
  const world = readWorld(path.join(folder, 'var'))
  const pos = await Counterparty.connect({ rail: rails.pos, host: '127.0.0.1', port: first.ports.ascii })
  const acknowledged = async () =>
    (await client.query(`select count(*)::integer as n from outbound_message where state = 'acknowledged'`)).rows[0].n

  // As a decision queues them: of a card, in the batch of an authorization.
  const pan = world.households[0]?.card.pan ?? ''
  const queue = (stan: string) =>
    client.query(
      `insert into outbound_message (lane, batch_seq, authorization_id, card_id, destination, kind, mti, fields, stan,
         transmission, queued_by, next_at, created_at)
       select a.lane, a.batch_seq, a.id, c.id, 'post', 'advice', '0220', '{"3": "000000", "4": "000000001000"}', $1,
              '1122093000', 'decision', now(), now()
       from (select lane, batch_seq, id from authorization_journal limit 1) a, card c where c.household_id = $2 limit 1`,
      [stan, world.households[0]?.id],
    )
  const shop = world.outlets.find(({ category }) => category === 'shop')
  if (shop === undefined) throw new Error('the world has shops')
  const terminal = { terminalId: shop.terminals[0] ?? '', acceptorId: shop.acceptorId, mcc: shop.mcc }
  const { card } = world.households[0] ?? {}
  if (card === undefined) throw new Error('the world has cards')
  // Whatever becomes of it: it stands in the journal.
  await pos.ask(transaction('purchase', { card, terminal, amountPiasters: 100, from: '20' }))

  peer.reaction = () => ({ do: 'silent' })
  await queue('600001')
  await queue('600002')
  await until('the first is sent', () => peer.seen[0])
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  pos.close()
  peer.reaction = () => approved
  const second = await start()
  await until('both are acknowledged', async () => (await acknowledged()) === 2 || undefined)
  t.same(peer.order, ['0220 600001', '0221 600001', '0220 600002'], 'one message twice, and no gap')
  t.equal(peer.seen[1]?.text(2), pan, 'with the number of its card')
  const [caused] = (await client.query('select authorization_id as id from outbound_message limit 1')).rows
  const explained = await explainAuthorizations(url, explainKey(String(caused.id)))
  t.match(
    inWords(explained[0] as Explanation),
    /sent on {3}advice 0220 to post as message 1: acknowledged, answered 00/,
  )
  t.equal(peer.seen[1]?.transmission, peer.seen[0]?.transmission)

  await t.test('a zone key is rotated through the queue', async (t) => {
    await said(keysCommand, 'generate', 'kek:post', '--activate')
    await said(keysCommand, 'generate', 'zpk:post', '--activate')
    t.match(
      await said(keysCommand, 'rotate', 'zpk:post', '--send'),
      /zpk:post version 2 .* is sent to post as message \d+/,
    )
    const unconfirmed = 'select name, version from key_announcement where confirmed_at is null'
    t.same((await client.query(unconfirmed)).rows, [{ name: 'zpk:post', version: 2 }])
    t.match(await said(keysCommand, 'list'), /zpk:post +v2 +active .*, not confirmed by its peer\n/)
    const { rows } = await client.query(`select subject, fields from outbound_message where kind = 'key-exchange'`)
    const checkValue = String(rows[0].subject).split(' ').at(-1) ?? ''
    peer.reaction = () => ({ do: 'answer', code: '00', fields: { 48: `KC006${checkValue}` } })
    // Not before every process accepts it; here one does by now.
    await client.query(`update outbound_message set next_at = now() where kind = 'key-exchange'`)
    await until('it is confirmed', async () => (await client.query(unconfirmed)).rowCount === 0 || undefined)
    const exchange = peer.seen.find(({ mti }) => mti === '0800')
    t.equal(exchange?.text(70), '101')
    const { elements } = parseElements48(exchange?.text(48) ?? '')
    t.match(elements, [
      { tag: 'KN', value: 'zpk' },
      { tag: 'KB', value: /^D\d{4}P0/ },
    ])
    t.match(
      await said(keysCommand, 'audit', 'zpk:post'),
      /key-activated +zpk:post v2 .*its peer confirmed that it has it/,
    )
    t.notMatch(await said(forwardCommand, 'list'), elements[1]?.value ?? 'no block', 'a key is nothing to show around')
  })

  await t.test('cutover, both ways', async (t) => {
    peer.reaction = () => approved
    await enqueueCutover(client, 'post', '2026-11-22', Date.now())
    const told = await until('the peer is told', () => peer.seen.find((message) => message.text(70) === '201'))
    t.equal(told.text(15), '1122')
    const again = await Counterparty.connect({ rail: rails.pos, host: '127.0.0.1', port: second.ports.ascii })
    t.equal((await again.network('201', { 15: '1123' })).code, '00', 'a cutover of a peer is answered, and noted')
    again.close()
    const { rows } = await client.query('select link, settlement_date from network_cutover')
    t.same(rows, [{ link: 'ascii', settlement_date: '1123' }])
  })

  await t.test('how it stands is on the pages', async (t) => {
    peer.reaction = () => ({ do: 'answer', code: '30' })
    await queue('600003')
    const page = (name: string) => fetch(`http://127.0.0.1:${second.ports.http}/${name}`)
    const ready = await until('it shows', async () => {
      const text = await (await page('readyz')).text()
      return text.includes('1 dead') ? text : undefined
    })
    t.match(JSON.parse(ready), { status: 'ready', checks: { 'forwarding post': { ready: true } } })
    const metrics = await (await page('metrics')).text()
    t.match(metrics, /mizan_outbound_dead\{destination="post"\} 1/)
    t.match(metrics, /mizan_outbound_events_total\{destination="post",event="refused"\} 1/)
    const checks = await verifyLedger(url)
    t.same(
      checks.filter(({ ok }) => !ok),
      [],
      'the queue agrees with the journal',
    )
  })

  second.child.kill('SIGTERM')
  const [status] = await once(second.child, 'exit')
  t.equal(status, 0)
  const { rows } = await client.query(`select lease_until <= clock_timestamp() as free from outbound_destination`)
  t.same(rows, [{ free: true }], 'a switch that stops gives its destinations up')
})
