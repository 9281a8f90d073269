import t from 'tap'
import { newSessionToken } from '../../src/api/tokens.ts'
import { formatDate, businessDate as openOn } from '../../src/calendar.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import { openSession } from '../../src/store/access-sessions.ts'
import { addUser } from '../../src/store/access-users.ts'
import { moveFile, registerFile } from '../../src/store/clearing/files.ts'
import { withClient } from '../../src/store/database-location.ts'
import { ask as decide, purchaseOf } from '../support/writer.ts'
import { apiWorld, PASSWORD } from './api-world.ts'

t.test('what the writer does for the API', async (t) => {
  let commandWaitMs = 50
  const world = await apiWorld(t, { commandWaitMs: () => commandWaitMs })
  const { as, owner, logged, database } = world
  const operator = as('operator')
  const auditor = as('auditor')
  let writer: Awaited<ReturnType<typeof world.start>>

  t.test('without a writer a command waits, and is carried out once when one comes', async (t) => {
    const body = { status: 'restricted', reason: 'a ticket' }
    const first = await operator('/cards/3/block', { body, key: 'ticket-1' })
    t.equal(first.status, 202)
    t.match(first.headers.location, /^\/api\/v1\/commands\/0-\d+$/)
    t.match(first.body, { state: 'waiting', kind: 'card-status' })
    t.match((await operator(String(first.headers.location))).body, { state: 'waiting', requestedBy: 'user:operator' })
    writer = await world.start()
    commandWaitMs = 60_000
    const again = await operator('/cards/3/block', { body, key: 'ticket-1' })
    t.match(again, { status: 200, body: { state: 'done', outcome: 'the card was active and is restricted' } })
    const replay = await operator('/cards/3/block', { body, key: 'ticket-1' })
    t.match(replay, { status: 200, headers: { 'idempotent-replay': 'true' } })
    t.same((await owner.query('select count(*)::int from command_inbox')).rows, [{ count: 1 }])
  })

  t.test('a refusal is a problem in words, and stays one', async (t) => {
    await operator('/cards/4/block', { body: { status: 'lost', reason: 'lost' } })
    const refused = await operator('/cards/4/unblock', { body: { reason: 'found' }, key: 'found-1' })
    t.match(refused, { status: 422, body: { code: 'COMMAND_REFUSED', detail: /a card that is lost does not become/ } })
    t.match(refused.headers['content-type'], 'application/problem+json')
    const again = await operator('/cards/4/unblock', { body: { reason: 'found' }, key: 'found-1' })
    t.same(again.body, refused.body)
    t.match(again.headers['content-type'], 'application/problem+json')
    t.equal((await operator('/cards/999/pin-reset', { method: 'POST' })).status, 404)
    t.match((await operator('/cards/3/pin-reset', { method: 'POST' })).body, { state: 'done' })
  })

  t.test('a household is shown with its terms, cards and balances, and the look is noted', async (t) => {
    const shown = await as('enrolment')('/households/5')
    t.equal(shown.status, 200)
    t.match(shown.body, {
      householdId: 5,
      terms: [{ status: 'active' }],
      cards: [{ status: 'active', kind: 'family' }],
    })
    t.match(shown.body.terms[0].from, /^\d{4}-\d{2}-\d{2}$/)
    t.ok(shown.body.balances.some((balance: { accountName: string }) => balance.accountName === 'postal account'))
    t.same((await operator('/households/5/cards')).body.items, shown.body.cards)
    t.same((await operator('/households/5/balances')).body.items, shown.body.balances)
    t.equal((await operator('/households/77777')).status, 404)
    const { items } = (await auditor('/audit?household=5')).body
    t.same(
      items.map(
        (event: { actor: string; action: string; outcome: string }) =>
          `${event.actor} ${event.outcome} ${event.action}`,
      ),
      [
        'user:operator looked GET /households/{householdId}/balances',
        'user:operator looked GET /households/{householdId}/cards',
        'user:enrolment looked GET /households/{householdId}',
      ],
    )
  })

  t.test('a card is found by the number on it, which is nowhere afterwards', async (t) => {
    const found = await operator('/cards/search', { body: { pan: panOf(6) } })
    t.match(found.body, { cardId: 6, householdId: 6, pan: /^400000\*+\d{4}$/ })
    t.same((await operator('/cards/6')).body, found.body)
    t.equal((await operator('/cards/search', { body: { pan: panOf(9_999) } })).status, 404)
    t.equal((await operator('/cards/search', { body: { pan: '4000001234567890' } })).status, 400)
    t.equal((await operator(`/cards/${panOf(6)}`)).status, 400)
    t.equal((await operator(`/households/${panOf(6)}`)).status, 400)
  })

  t.test('authorizations are searched page by page, explained, and their postings listed', async (t) => {
    const asked = [7, 8, 7, 8, 7].map((household) => purchaseOf(household, world.clock.now()))
    for (const request of asked) t.match(await decide(writer, request), { result: 'approved' })
    const analyst = as('analyst')
    const seen: number[] = []
    for (let url = '/authorizations?limit=2'; ; ) {
      const { body, status } = await analyst(url)
      t.equal(status, 200)
      seen.push(...body.items.map((item: { authorizationId: number }) => item.authorizationId))
      if (body.next === null) break
      url = `/authorizations?limit=2&cursor=${body.next}`
    }
    t.equal(seen.length, 5)
    t.same(
      seen,
      seen.toSorted((a, b) => b - a),
      'each once, the newest first',
    )
    const mine = (await analyst('/authorizations?household=7')).body.items
    t.equal(mine.length, 3)
    const [request] = asked
    t.equal((await analyst(`/authorizations?stan=${request?.stan}&terminal=${request?.terminal}`)).body.items.length, 1)
    t.equal((await analyst('/authorizations?result=declined')).body.items.length, 0)
    t.same((await operator('/households/7/authorizations')).body.items, mine)
    const id = mine[0].authorizationId
    const explained = await analyst(`/authorizations/${id}`)
    t.match(explained.body, { id, result: 'approved', request: { householdId: 7 }, transfers: [{ kind: 'purchase' }] })
    t.ok(explained.body.trace.length > 0)
    t.same((await analyst(`/authorizations/${id}/transfers`)).body.items, explained.body.transfers)
    t.equal((await analyst('/authorizations/1')).status, 404)
    t.equal((await analyst('/authorizations?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z')).status, 400)
    const page = (await auditor('/audit?household=8&limit=1')).body
    t.match(page.items, [{ action: 'GET /authorizations', outcome: 'looked' }])
    t.ok(page.next)
    const balances = (await as('settlement')('/ledger/balances?kind=7001')).body.items
    t.ok(balances.length > 0)
    const day = (at: number) => new Date(at).toISOString().slice(0, 10)
    const now = world.clock.now()
    const span = `from=${day(now - 86_400_000)}&to=${day(now + 86_400_000)}`
    const sums = (await as('settlement')(`/ledger/trial-balance?${span}`)).body
    t.match(sums, { balanced: true })
    t.ok(sums.lines.length > 1)
    t.equal((await as('settlement')('/ledger/trial-balance?from=2026-02-30&to=2026-03-01')).status, 400)
  })

  t.test('what moves entitlements needs a second person', async (t) => {
    const body = { status: 'suspended', reason: 'the annual review' }
    const asked = await operator('/households/9/status', { body, key: 'review-9' })
    t.equal(asked.status, 202)
    t.match(asked.body, { kind: 'household-status', state: 'pending', maker: 'user:operator', householdId: 9 })
    const { location } = asked.headers as { location: string }
    const approve = (who: string, key?: string) =>
      as(who)(`${location}/approve`, { body: { note: 'seen' }, ...(key === undefined ? {} : { key }) })
    t.match((await approve('operator')).body, { status: 403, detail: /another person/ })
    t.match((await approve('settlement')).body, { status: 403, detail: /roles operator/ })
    const alone = database.queryable.query(
      `update change_request set state = 'approved', checker = 'operator', decided_at = now() where id = $1`,
      [asked.body.changeId],
    )
    await t.rejects(alone, { message: /change_request_second_person/ }, 'the database holds to it too')
    t.match((await as('operator')('/households/9')).body.terms, [{ status: 'active' }])
    const both = await Promise.all([approve('operator-2', 'yes-9'), approve('operator-2', 'yes-9-too')])
    t.same(both.map(({ status }) => status).sort(), [200, 409], 'decided once')
    const [first, repeat] = both[0]?.status === 200 ? [both[0], 'yes-9'] : [both[1], 'yes-9-too']
    t.equal(first?.headers['idempotent-replay'], undefined)
    const repeated = await approve('operator-2', repeat)
    t.match(repeated, { status: 200, headers: { 'idempotent-replay': 'true' } }, 'a repeat is told as one')
    t.same(repeated.body, first?.body)
    const done = (await operator(location)).body
    t.match(done, { state: 'approved', checker: 'operator-2', note: 'seen', result: /suspended from/ })
    const household = (await operator('/households/9')).body
    t.match(household.terms.at(-1), { status: 'suspended' })
    t.match((await approve('operator-2')).body, { status: 409, code: 'CONFLICT' })
    const { rows } = await owner.query(`select requested_by from command_inbox where id = $1`, [
      Number(done.commandId.split('-')[1]),
    ])
    t.same(rows, [{ requested_by: 'user:operator + operator-2' }])
  })

  t.test('a card number in any text of a body is refused with its place', async (t) => {
    const texts = { en: 'New year', note: '4000.0000.0000.0010' }
    const body = { kind: 'household-status', payload: { householdId: 8, texts }, reason: '٤٠٠٠٠٠٠٠٠٠٠٠٠٠١٠' }
    const answer = await operator('/change-requests', { body })
    t.equal(answer.status, 400)
    t.same(
      answer.body.errors.map(({ pointer }: { pointer: string }) => pointer),
      ['/payload/texts/note', '/reason'],
    )
  })

  t.test('a suspension counts from the day that it names', async (t) => {
    const body = { status: 'suspended', from: '2031-12-15', reason: 'the annual review' }
    const { location } = (await operator('/households/8/status', { body })).headers as { location: string }
    const agreed = await as('operator-2')(`${location}/approve`, { body: {} })
    t.match(agreed.body, { result: /suspended from 20311215/ })
    t.match((await operator('/households/8')).body.terms.at(-1), { from: '2031-12-15', status: 'suspended' })
  })

  t.test('who had a day closed with a key does not release its files, as the person behind the key', async (t) => {
    const name = 'closer'
    const secret = await hashSecret(Buffer.from(PASSWORD), 10)
    await addUser(
      database.queryable,
      { name, roles: ['admin', 'settlement'], mustChange: false },
      secret,
      'system:test',
    )
    const session = newSessionToken()
    const opened = { tokenHash: session.tokenHash, user: name, source: 'test' }
    await openSession(database.queryable, opened, { idleS: 600, lifeS: 3_600 })
    const closer = world.with({ authorization: `Bearer ${session.token}` })
    const made = await closer('/api-keys', { body: { label: 'nightly', roles: ['settlement'], days: 30 } })
    const program = world.with({ authorization: `Bearer ${made.body.key}` })
    const businessDate = openOn(world.clock.now(), 1_350)
    const date = formatDate(businessDate)
    const closed = await program(`/business-days/${date}/cutover`, { method: 'POST' })
    t.match(closed, { status: 202, body: { businessDate: date, state: 'closing' } })
    const { rows } = await owner.query('select asked_by from business_day where business_date = $1', [date])
    t.same(rows, [{ asked_by: 'user:closer' }], 'the person, not the key')
    const key = { direction: 'out', type: 'SUB', institution: 'NBE-01', businessDate, cycle: 1, sequence: 1 } as const
    const content = { bytes: 3, sha256: Buffer.alloc(32), records: 1, items: 0, grossPiasters: 0n, totals: {} }
    await withClient(world.url, async (client) => {
      const { id } = await registerFile(client, { ...key, state: 'written', content }, 'test')
      await moveFile(client, id, { from: ['written'], to: 'signed', action: 'signed', actor: 'test' })
    })
    const { digest } = (await as('settlement')(`/clearing/releases/${date}`)).body
    const body = { kind: 'files-release', payload: { businessDate: date, digest }, reason: 'the day' }
    const asked = await operator('/change-requests', { body })
    t.equal(asked.status, 202)
    const approve = (who: typeof operator) => who(`/change-requests/${asked.body.changeId}/approve`, { body: {} })
    t.match(await approve(program), { status: 403, body: { detail: /a person decides/ } })
    t.match(await approve(closer), {
      status: 403,
      body: { detail: /user:closer had the day closed or asked for the release: it needs a second person/ },
    })
    t.match(await approve(as('settlement')), { status: 200, body: { state: 'approved', result: /1 file\(s\) of/ } })
  })

  t.test(
    'a change that the writer refuses has failed; one that is rejected or too old is not carried out',
    async (t) => {
      const ask = (payload: object, kind = 'benefit-credit') =>
        operator('/change-requests', { body: { kind, payload, reason: 'a test' } })
      const unknown = await ask({ householdId: 9, programme: 'no-such', month: 202_601, piasters: 100 })
      t.equal(unknown.status, 202)
      const failed = await as('settlement')(`/change-requests/${unknown.body.changeId}/approve`, { body: {} })
      t.match(failed.body, { state: 'failed', result: /no such programme/ })
      t.match((await ask({ householdId: 9, programme: 'x', month: 202_613, piasters: 1 })).status, 400)
      t.match((await ask({ householdId: 9, programme: 'x', piasters: 1 })).body.errors, [{ pointer: '/payload/month' }])
      t.match((await ask({ householdId: 77_777, programme: 'x', month: 202_601, piasters: 1 })).status, 404)
      const enrolment = await as('enrolment')('/change-requests', {
        body: { kind: 'benefit-credit', payload: {}, reason: 'x' },
      })
      t.equal(enrolment.status, 403)
      const rejected = await ask({ householdId: 9, programme: 'x', month: 202_601, piasters: 1 })
      const no = await as('settlement')(`/change-requests/${rejected.body.changeId}/reject`, {
        body: { note: 'too much' },
      })
      t.match(no.body, { state: 'rejected', note: 'too much' })
      const old = await ask({ householdId: 9, programme: 'x', month: 202_601, piasters: 1 })
      await owner.query('alter table change_request disable trigger all')
      await owner.query('update change_request set expires_at = now() where id = $1', [old.body.changeId])
      await owner.query('alter table change_request enable trigger all')
      t.equal((await as('settlement')(`/change-requests/${old.body.changeId}/approve`, { body: {} })).status, 409)
      const listed = (await auditor('/change-requests?state=expired')).body.items
      t.same(
        listed.map(({ changeId }: { changeId: number }) => changeId),
        [old.body.changeId],
      )
    },
  )

  t.test('the API is described, and its page asks nobody else', async (t) => {
    const { body } = await as()('/api/openapi.json')
    t.equal(body.openapi, '3.1.0')
    const described = Object.entries(body.paths as Record<string, Record<string, unknown>>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
    )
    const { accessMatrix } = await import('../../src/api/access-matrix.ts')
    t.same(described.sort(), Object.keys(accessMatrix).sort())
    const page = await as()('/api/docs')
    const final = page.status === 200 ? page : await as()(String(page.headers.location))
    t.equal(final.status, 200)
    t.notMatch(final.text, /(?:src|href)="(?:https?:)?\/\//, 'nothing from elsewhere')
    t.match(final.headers['content-security-policy'], /^default-src 'none'; script-src 'self'/)
    for (const [, asset = ''] of final.text.matchAll(/(?:src|href)="\.\/([^"]+)"/g)) {
      t.equal((await as()(`/api/docs/${asset.replace(/^docs\//, '')}`)).status, 200, asset)
    }
  })

  t.test('no card number is in the database or the log', async (t) => {
    const tables = await owner.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
    )
    let kept = logged.join('\n')
    for (const { name } of tables.rows) {
      const { rows } = await owner.query<{ row: string }>(`select x::text as row from ${name} x`)
      kept += rows.map(({ row }) => row).join('\n')
    }
    t.ok(kept.length > 10_000)
    for (const household of [3, 6, 7, 9_999]) t.notMatch(kept, panOf(household))
    t.same(
      logged.filter((line) => line.includes('http_request_failed')),
      [],
      'no fault of the program on the way',
    )
  })
})
