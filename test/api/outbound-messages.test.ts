import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { forwardCommand } from '../../src/commands/forward.ts'
import { LineInput } from '../../src/commands/line-input.ts'
import { describeError } from '../../src/errors.ts'
import { type QueuedMessage, queueMessage } from '../../src/store/outbound-message.ts'
import { apiWorld, PASSWORD } from './api-world.ts'

t.test('operators see to messages of our own', async (t) => {
  const world = await apiWorld(t)
  const { as, owner } = world
  const operator = as('operator')
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-forward-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))

  async function queued(kind: QueuedMessage['kind'], state: 'dead' | 'waiting', stan: string): Promise<number> {
    const mti = kind === 'cutover' ? '0800' : '0220'
    const fields = { 4: '000000001000', 11: stan }
    const message = { destination: 'post', kind, mti, fields, subject: undefined, queuedBy: 'test' }
    const id = (await queueMessage(owner, message, world.clock.now())) ?? 0
    if (state === 'dead') {
      await owner.query(
        `update outbound_message set state = 'dead', attempts = 3, sent_at = now(), ended_at = now(), error = 'answered 30',
           response_code = '30' where id = $1`,
        [id],
      )
    }
    return id
  }
  const stateOf = async (id: number) => (await operator(`/outbound-messages/${id}`)).body

  async function run(args: string[], input = '') {
    let out = ''
    const io: CommandIo = {
      ...processIo,
      env: { DATABASE_URL: world.url, MIZAN_VAR: folder },
      out: (written) => {
        out += written
      },
      note: () => undefined,
      openInput: () => new LineInput(Readable.from([Buffer.from(input)])),
    }
    try {
      await forwardCommand(io).parseAsync(args, { from: 'user' })
      return { out, error: '' }
    } catch (error) {
      return { out, error: describeError(error) }
    }
  }

  t.test('a dead letter that moves money is sent again or dropped by two people', async (t) => {
    const id = await queued('advice', 'dead', '600001')
    const asked = await operator(`/outbound-messages/${id}/resend`, { body: { reason: 'the host is mended' } })
    t.match(asked, { status: 202, body: { kind: 'outbound-resend', state: 'pending' } })
    t.match(await stateOf(id), { state: 'dead', responseCode: '30' }, 'nothing has happened yet')
    const change = `/change-requests/${asked.body.changeId}/approve`
    t.equal((await operator(change, { body: {} })).status, 403, 'not by the one who asked')
    t.match(await as('operator-2')(change, { body: {} }), { status: 200, body: { result: /waits to be sent again/ } })
    const resent = await stateOf(id)
    t.match(resent, { state: 'waiting', attempts: 3, endedAt: null, error: null })
    t.match(resent.events, [
      { event: 'resent', actor: 'user:operator + user:operator-2', detail: 'the host is mended' },
    ])

    const other = await queued('reversal', 'dead', '600002')
    const drop = await operator(`/outbound-messages/${other}/drop`, { body: { reason: 'settled by letter' } })
    await as('operator-2')(`/change-requests/${drop.body.changeId}/approve`, { body: {} })
    t.match(await stateOf(other), { state: 'dropped', error: 'settled by letter' })
    const again = await operator(`/outbound-messages/${other}/resend`, { body: { reason: 'after all' } })
    t.match(again, { status: 409, body: { detail: /is dropped/ } }, 'what is dropped stays so')
  })

  t.test('what moves no money, or waits anyway, is for one person', async (t) => {
    const cutover = await queued('cutover', 'dead', '600003')
    const dropped = await operator(`/outbound-messages/${cutover}/drop`, { body: { reason: 'an old day' } })
    t.match(dropped, { status: 200, body: { state: 'dropped' } })
    const waiting = await queued('advice', 'waiting', '600004')
    const resent = await operator(`/outbound-messages/${waiting}/resend`, { body: { reason: 'at once' } })
    t.match(resent, { status: 200, body: { state: 'waiting' } })
    t.match(await operator(`/outbound-messages/${waiting}/drop`, { body: { reason: 'not needed' } }), { status: 202 })
    t.equal((await operator('/outbound-messages/999999/drop', { body: { reason: 'x' } })).status, 404)
  })

  t.test('they are listed, and counted by destination', async (t) => {
    const found = await operator('/outbound-messages?destination=post&kind=cutover')
    t.match(found.body.items, [{ kind: 'cutover', state: 'dropped', mti: '0800' }])
    t.equal((await operator('/outbound-messages?limit=1')).body.items.length, 1)
    t.match((await operator('/outbound-destinations')).body.items, [{ destination: 'post', waiting: 2, dead: 0 }])
  })

  t.test('the same on the command line', async (t) => {
    const id = await queued('advice', 'dead', '600005')
    t.match((await run(['list', '--state', 'dead'])).out, /post {2}advice 0220 STAN 600005 {2}dead \(30\)/)
    t.match(
      (await run(['status'])).out,
      /^post: 2 waiting .* 1 dead; nobody sends now; the configuration has no outbound/,
    )
    const alone = await run(['drop', String(id), '--reason', 'a mistake'], 'analyst\nwrong password here\n')
    t.match(alone.error, /nobody is logged in/)
    t.match(await stateOf(id), { state: 'dead' })
    const both = await run(['drop', String(id), '--reason', 'a mistake'], `operator-2\n${PASSWORD}\n`)
    t.match(both, { out: `message ${id} is dropped\n`, error: '' })
    t.match((await run(['show', String(id)])).out, /dropped: a mistake {2}by system:.* \+ user:operator-2/)
    const shown = JSON.parse((await run(['show', String(id), '--json'])).out)
    t.match(shown, { state: 'dropped', fields: { 4: '000000001000' }, events: [{ event: 'dropped' }] })
    t.match((await run(['resend', String(id)])).error, /only a dead letter, or one that waits/)
    t.match((await run(['show', '999999'])).error, /there is no queued message 999999/)
    const { rows } = await owner.query(`select outcome from audit_event where action = 'forward drop'`)
    t.same(rows, [{ outcome: 'done' }])
  })
})
