import { readFileSync } from 'node:fs'
import t from 'tap'
import { accessMatrix } from '../../src/api/access-matrix.ts'
import { apiRoutes } from '../../src/api/api.ts'
import { changeKinds } from '../../src/api/change-kinds.ts'
import { MizanError } from '../../src/errors.ts'
import { ApiDatabase, nested } from '../../src/store/access-pool.ts'
import { addUser, listUsers, roles } from '../../src/store/access-users.ts'
import { verifyAudit } from '../../src/store/audit-chain.ts'
import { apiWorld, PASSWORD } from './api-world.ts'
import { commandLineCases } from './command-line-cases.ts'

t.test('access to the API', async (t) => {
  const world = await apiWorld(t)
  const { as, owner, database } = world
  const nobody = as()
  const admin = as('admin')
  const auditor = as('auditor')
  const login = (name: string, password: string, more = {}) =>
    nobody('/auth/login', { body: { name, password, ...more } })

  t.test('every route has its roles, and nobody else gets in', async (t) => {
    t.same(
      apiRoutes.map(({ action }) => action).sort(),
      Object.keys(accessMatrix).sort(),
      'the routes are those of the matrix',
    )
    for (const { action, method, path } of apiRoutes) {
      const access = accessMatrix[action]
      const url = path.replaceAll(/\{\w+\}/g, '0')
      const call = async (user?: string) =>
        (await as(user)(url, { method, ...(method === 'POST' ? { body: { nothing: 1 } } : {}) })).status
      if (access === 'open') continue
      t.equal(await call(), 401, `nobody: ${action}`)
      const statuses = await Promise.all(roles.map(async (role) => [role, await call(role)] as const))
      for (const [role, status] of statuses) {
        const isOpen = access === 'logged-in' || access?.includes(role)
        if (isOpen) t.ok(![401, 403].includes(status), `${role} may ${action}`)
        else t.equal(status, 403, `${role} may not ${action}`)
      }
    }
    const denied = await auditor('/audit?actor=user:analyst&limit=200')
    t.ok(
      denied.body.items.some((event: { outcome: string }) => event.outcome === 'denied'),
      'a refusal is noted',
    )
  })

  t.test('the page says who may do what', async (t) => {
    const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
    const rows = page.split('\n').filter((line) => line.startsWith('| `'))
    const ofRoutes = apiRoutes.map(({ action, summary }) => {
      const access = accessMatrix[action] ?? ''
      return `| \`${action}\` | ${typeof access === 'string' ? access : access.join(', ')} | ${summary} |`
    })
    const ofKinds = Object.entries(changeKinds).map(
      ([name, { what, makers, checkers }]) =>
        `| \`${name}\` | ${what} | ${makers.join(', ')} | ${checkers.join(', ')} |`,
    )
    t.same(rows, [...ofKinds, ...ofRoutes])
  })

  t.test('the report of a day is JSON for programs and a page for browsers', async (t) => {
    await owner.query(`insert into business_day (business_date) values ('2020-02-03')`)
    const url = '/business-days/2020-02-03/report'
    const clerk = as('settlement')
    t.match(await clerk(url), {
      status: 200,
      body: { businessDate: '2020-02-03', day: { state: 'open', steps: [] }, trialBalance: [], settlement: [] },
    })
    const page = await clerk(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    t.match(page.headers, { 'content-type': /^text\/html/, 'content-security-policy': /default-src 'none'.*sandbox/ })
    t.match(page.text, /<h1>Day report 2020-02-03<\/h1>/)
    t.match((await clerk('/business-days/2019-01-01/report')).status, 404)
    await owner.query(`delete from business_day where business_date = '2020-02-03'`)
  })

  t.test('what is wrong with a login is not said, and a name that is tried too often is locked', async (t) => {
    const unknown = await login('nobody-here', PASSWORD)
    const wrong = await login('analyst', 'something else')
    t.equal(unknown.status, 401)
    t.equal(unknown.body.detail, wrong.body.detail)
    t.equal(wrong.headers['www-authenticate'], 'Bearer')
    for (let tries = 0; tries < 4; tries++) await login('analyst', 'something else')
    t.equal((await login('analyst', PASSWORD)).status, 401, 'locked: the right password is not told from a wrong one')
    await owner.query(`update access_user set locked_until = now() - interval '1 second' where name = 'analyst'`)
    t.equal((await login('analyst', 'something else')).status, 401)
    const { rows } = await owner.query(
      `select failures, extract(epoch from locked_until - now())::int as left from access_user where name = 'analyst'`,
    )
    t.match(rows, [{ failures: 6 }])
    t.ok(rows[0].left > 30, 'the next lock is longer')
    await owner.query(`update access_user set locked_until = null where name = 'analyst'`)
    const right = await login('analyst', PASSWORD)
    t.equal(right.status, 200)
    const me = await world.with({ authorization: `Bearer ${right.body.token}` })('/auth/me')
    t.match(me.body, { id: 'user:analyst', roles: ['analyst'], mustChange: false })
    const noted = await auditor('/audit?action=POST%20/auth/login')
    t.match(noted.body.items[0], { actor: 'user:analyst', outcome: 'done' })
    t.match(noted.body.items.at(-1), { actor: 'nobody', outcome: 'refused', detail: { name: '(unknown)' } })
  })

  t.test('guesses that come at once are locked out as those that come one by one', async (t) => {
    const guesses = [...Array.from({ length: 17 }, () => 'something else'), PASSWORD]
    const answers = await Promise.all(guesses.map((guess) => login('settlement', guess)))
    t.same([...new Set(answers.map(({ status }) => status))], [401], 'nor the right one among the wrong')
    const { rows } = await owner.query(`select failures from access_user where name = 'settlement'`)
    t.same(rows, [{ failures: 17 }])
    await owner.query(`update access_user set locked_until = null, failures = 0 where name = 'settlement'`)
    t.equal((await login('settlement', PASSWORD)).status, 200)
  })

  t.test('sessions end: by logging out, by time, by being idle, with the user', async (t) => {
    const session = async () => {
      const { token } = (await login('auditor', PASSWORD)).body
      return world.with({ authorization: `Bearer ${token}` })
    }
    const first = await session()
    t.equal((await first('/auth/me')).status, 200)
    t.equal((await first('/auth/logout', { method: 'POST' })).status, 204)
    t.equal((await first('/auth/me')).status, 401)
    const age = (column: string) =>
      owner.query(
        `update access_session set ${column} = now() - interval '2 hours'
         where created_at = (select max(created_at) from access_session)`,
      )
    const second = await session()
    await age('expires_at')
    t.equal((await second('/auth/me')).status, 401)
    const third = await session()
    await age('used_at')
    t.equal((await third('/auth/me')).status, 401)
    for (const bad of [
      'Bearer x',
      'Basic YTpi',
      `Bearer mzs_${'A'.repeat(43)}`,
      `Bearer mzk_${'a'.repeat(12)}_${'A'.repeat(43)}`,
    ]) {
      t.equal((await world.with({ authorization: bad })('/auth/me')).status, 401, bad)
    }
  })

  t.test('a browser keeps its token in a cookie, and changes nothing without the header', async (t) => {
    const answer = await login('admin', PASSWORD, { cookie: true })
    t.equal(answer.body.token, null)
    const cookie = String(answer.headers['set-cookie'])
    t.match(cookie, /^mizan_session=mzs_\S+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/)
    const browser = world.with({ cookie: cookie.split(';')[0] ?? '' })
    t.equal((await browser('/users')).status, 200)
    const body = { roles: ['analyst'] }
    t.equal((await browser('/users/analyst/roles', { body })).status, 403)
    const forged = { 'x-mizan-csrf': 'A'.repeat(43) }
    t.equal((await browser('/users/analyst/roles', { body, headers: forged })).status, 403)
    const headers = { 'x-mizan-csrf': answer.body.csrfToken }
    t.equal((await browser('/users/analyst/roles', { body, headers })).status, 200)
    t.equal((await browser('/auth/me')).body.csrfToken, answer.body.csrfToken)
  })

  t.test('a first password has to be changed, and the sessions of who is disabled end', async (t) => {
    const added = await admin('/users', { body: { name: 'new-one', roles: ['enrolment'], password: PASSWORD } })
    t.equal(added.status, 201)
    t.match(added.body, { name: 'new-one', mustChange: true, createdBy: 'user:admin' })
    t.notMatch(added.text, PASSWORD)
    const { token } = (await login('new-one', PASSWORD)).body
    const one = world.with({ authorization: `Bearer ${token}` })
    t.match((await one('/households/1')).body, { status: 403, code: 'PASSWORD_CHANGE_REQUIRED' })
    const next = 'another long password'
    t.equal((await one('/auth/password', { body: { current: 'wrong', next } })).status, 401)
    t.equal((await one('/auth/password', { body: { current: PASSWORD, next: 'short' } })).status, 400)
    t.equal((await one('/auth/password', { body: { current: PASSWORD, next: PASSWORD } })).status, 400)
    t.equal((await one('/auth/password', { body: { current: PASSWORD, next } })).status, 204)
    t.equal((await one('/households/1')).status, 200)
    t.equal((await admin('/users/new-one/disable', { method: 'POST' })).status, 200)
    t.equal((await one('/auth/me')).status, 401)
    t.equal((await login('new-one', next)).status, 401)
    t.equal((await admin('/users', { body: { name: 'new-one', roles: ['admin'], password: PASSWORD } })).status, 400)
    t.equal((await admin('/users/admin/roles', { body: { roles: ['auditor'] } })).status, 409, 'not the own roles')
  })

  t.test('one administrator alone is never two people', async (t) => {
    const next = 'another long password'
    const change = { kind: 'household-status', payload: { householdId: 9, status: 'suspended' }, reason: 'fraud' }
    const loggedIn = async (name: string, password: string) =>
      world.with({ authorization: `Bearer ${(await login(name, password)).body.token}` })
    const made = await admin('/users', { body: { name: 'ghost', roles: ['operator'], password: PASSWORD } })
    t.match(made.body, { confirmedBy: null })
    const first = await loggedIn('ghost', PASSWORD)
    t.equal((await first('/auth/password', { body: { current: PASSWORD, next } })).status, 204)
    const ghost = await loggedIn('ghost', next)
    t.equal((await ghost('/households/1')).status, 200, 'what needs one person, it does')
    const refused = {
      status: 403,
      detail: /user:admin alone gave ghost this access: another administrator confirms it/,
    }
    t.match((await ghost('/change-requests', { body: change })).body, refused)
    const asked = await as('operator')('/change-requests', { body: change })
    t.equal(asked.status, 202)
    const approve = (who: typeof ghost) => who(`/change-requests/${asked.body.changeId}/approve`, { body: {} })
    t.match((await approve(ghost)).body, refused)
    t.equal((await admin('/users/ghost/confirm', { method: 'POST' })).status, 403, 'not who gave it')
    const helper = await admin('/users', { body: { name: 'helper', roles: ['admin'], password: PASSWORD } })
    t.equal(helper.status, 201)
    const once = await loggedIn('helper', PASSWORD)
    t.equal((await once('/auth/password', { body: { current: PASSWORD, next } })).status, 204)
    const other = await loggedIn('helper', next)
    t.equal((await other('/users/ghost/confirm', { method: 'POST' })).status, 403, 'nor by a hand of one’s own')
    await owner.query(`update access_user set confirmed_by = 'system:test' where name = 'helper'`)
    t.match((await other('/users/ghost/confirm', { method: 'POST' })).body, { confirmedBy: 'user:helper' })
    t.equal((await other('/users/ghost/confirm', { method: 'POST' })).status, 409)
    t.equal((await ghost('/change-requests', { body: change })).status, 202)
    for (const [path, body] of [
      ['roles', { roles: ['settlement', 'operator'] }],
      ['password', { password: PASSWORD }],
    ] as const) {
      await owner.query(`update access_user set confirmed_by = 'user:helper' where name = 'ghost'`)
      t.match((await admin(`/users/ghost/${path}`, { body })).body, { confirmedBy: null }, path)
    }
  })

  t.test('a key of a program has its roles, networks and end', async (t) => {
    const make = (more = {}) =>
      admin('/api-keys', { body: { label: 'nightly', roles: ['auditor'], days: 30, ...more } })
    const made = await admin('/api-keys', { body: { label: 'nightly', roles: ['auditor'], days: 30 }, key: 'make-1' })
    t.equal(made.status, 201)
    t.equal(made.headers['cache-control'], 'no-store')
    const again = await admin('/api-keys', { body: { label: 'nightly', roles: ['auditor'], days: 30 }, key: 'make-1' })
    t.match(again.body, { keyId: made.body.keyId, key: null }, 'a secret is shown once')
    const program = world.with({ authorization: `Bearer ${made.body.key}` })
    t.match((await program('/auth/me')).body, { kind: 'key', person: 'admin', roles: ['auditor'] })
    t.equal((await program('/audit')).status, 200)
    t.equal((await program('/authorizations')).status, 200)
    t.equal((await program('/users', { body: {} })).status, 403)
    const elsewhere = await make({ networks: ['10.0.0.0/8'] })
    t.equal((await world.with({ authorization: `Bearer ${elsewhere.body.key}` })('/audit')).status, 401)
    const here = await make({ networks: ['127.0.0.0/8'] })
    t.equal((await world.with({ authorization: `Bearer ${here.body.key}` })('/audit')).status, 200)
    t.equal((await make({ networks: ['10.0.0.1/8'] })).status, 400)
    t.equal((await make({ roles: ['admin'] })).status, 400, 'no program administers')
    await owner.query(`update access_key set expires_at = now() where id = $1`, [here.body.keyId])
    t.equal((await world.with({ authorization: `Bearer ${here.body.key}` })('/audit')).status, 401)
    t.equal((await admin(`/api-keys/${made.body.keyId}/revoke`, { method: 'POST' })).status, 200)
    t.equal((await program('/auth/me')).status, 401)
    const kept = JSON.stringify(
      (await owner.query('select k::text, r::text from access_key k, idempotent_request r')).rows,
    )
    t.notMatch(kept, made.body.key.slice(17), 'nobody can read a secret from the database')
  })

  t.test('the same key and body change something once; another body is refused', async (t) => {
    const body = { name: 'once', roles: ['analyst'], password: PASSWORD }
    t.equal((await admin('/users', { body, headers: { 'idempotency-key': '' } })).status, 400, 'it needs a key')
    const both = await Promise.all([admin('/users', { body, key: 'once' }), admin('/users', { body, key: 'once' })])
    const statuses = both.map(({ status }) => status).sort()
    t.ok(statuses.includes(201))
    t.ok(statuses.every((status) => [201, 409].includes(status)))
    const again = await admin('/users', { body, key: 'once' })
    t.equal(again.status, 201)
    t.equal(again.headers['idempotent-replay'], 'true')
    t.same(again.body, both.find(({ status }) => status === 201)?.body)
    const other = await admin('/users', { body: { ...body, roles: ['auditor'] }, key: 'once' })
    t.match(other.body, { status: 422, code: 'IDEMPOTENCY_MISMATCH' })
    t.match((await admin('/users/once/disable', { method: 'POST', key: 'once' })).body, {
      code: 'IDEMPOTENCY_MISMATCH',
    })
    await owner.query(`update idempotent_request set created_at = created_at - interval '8 days' where key = 'once'`)
    t.equal(
      (await admin('/users', { body, key: 'once' })).status,
      400,
      'after a week it is a new request: the name is taken',
    )
    // What a process left that died in the middle is gone on with; until then it is busy.
    await owner.query(`insert into idempotent_request (actor, key, route, fingerprint, busy_until)
      select 'user:admin', 'died', route, fingerprint, now() + interval '1 minute' from idempotent_request limit 1`)
    t.match((await admin('/users', { body, key: 'died' })).body, { code: 'IDEMPOTENCY_MISMATCH' })
  })

  t.test('faults are told all at once, with where they are, and what was sent is not said again', async (t) => {
    const pan = '4000001234567899'
    const bad = await as('operator')('/cards/0/block?verbose=1', {
      body: { status: 'gone', reason: `card ${pan}`, [pan]: 1 },
      headers: { 'idempotency-key': pan },
    })
    t.equal(bad.status, 400)
    t.match(bad.headers['content-type'], 'application/problem+json')
    t.same(
      bad.body.errors.map(({ in: part, pointer }: { in: string; pointer: string }) => `${part} ${pointer}`).sort(),
      ['body /?', 'body /reason', 'body /status', 'header /idempotency-key', 'path /cardId', 'query /verbose'],
    )
    t.notMatch(bad.text, pan)
    const missing = await admin('/users', { body: {} })
    t.same(
      missing.body.errors.map(({ pointer, detail }: { pointer: string; detail: string }) => `${pointer} ${detail}`),
      ['/name is missing', '/roles is missing', '/password is missing'],
    )
    t.equal((await as('analyst')(`/authorizations?cursor=${Buffer.from('[1]').toString('base64url')}`)).status, 400)
  })

  t.test('a database that is away is told as such, and may come back', async (t) => {
    const away = new ApiDatabase({ url: 'postgres://127.0.0.1:1/nothing' })
    t.teardown(() => away.close())
    await t.rejects(away.queryable.query('select 1'), { code: 'STORE_UNAVAILABLE' })
    await t.rejects(
      away.change(async () => 1),
      { code: 'STORE_UNAVAILABLE' },
    )
    await t.rejects(database.queryable.query('select * from nothing'), { code: 'STORE_REJECTED', message: /42P01/ })
    const impatient = new ApiDatabase({ url: world.url, statementTimeoutMs: 50 })
    t.teardown(() => impatient.close())
    await t.rejects(
      impatient.search((client) => client.query('select pg_sleep(5)')),
      { code: 'BAD_INPUT', message: /takes too long/ },
    )
    await t.rejects(
      impatient.search((client) => client.query('select * from household')),
      { code: 'STORE_REJECTED' },
      'searches read views alone',
    )
  })

  t.test('work with a transaction of its own becomes a part of another', async (t) => {
    const count = async () => (await listUsers(database.queryable)).length
    const before = await count()
    const add = (client: Parameters<typeof addUser>[0], name: string) =>
      addUser(
        client,
        { name, roles: ['analyst'], mustChange: true },
        `scrypt$10$8$1$${'0'.repeat(32)}$${'0'.repeat(64)}`,
        'x',
      )
    await database.change(async (client) => {
      const inner = nested(client)
      await inner.query('begin')
      await add(inner, 'kept-one')
      await inner.query('commit')
      await inner.query('begin')
      await add(inner, 'undone-one')
      await inner.query('rollback')
    })
    t.equal(await count(), before + 1)
    const failing = database.change(async (client) => {
      const inner = nested(client)
      await inner.query('begin')
      await add(inner, 'lost-one')
      await inner.query('commit')
      throw new MizanError('CONFLICT')
    })
    await t.rejects(failing, { code: 'CONFLICT' })
    t.equal(await count(), before + 1, 'all or nothing')
  })

  t.test('users, keys and the audit on the command line', (t) => commandLineCases(t, world))

  t.test('the audit hangs together: what is changed, taken out or cut off shows', async (t) => {
    const check = () => database.use((client) => verifyAudit(client))
    t.match(await check(), { ok: true })
    await t.rejects(database.queryable.query('delete from audit_event'), { message: /42501/ })
    await t.rejects(database.queryable.query(`insert into audit_event (id, at, actor) values (1, now(), 'x')`), {
      message: /42501/,
    })
    await t.rejects(owner.query('update audit_event set actor = actor'), { code: '23514' })
    const tampered = async (sql: string) => {
      await owner.query('begin')
      await owner.query('alter table audit_event disable trigger all')
      await owner.query(sql)
      await owner.query('commit')
      return check()
    }
    const { rows } = await owner.query('select max(id)::int as last from audit_event')
    const last = rows[0].last as number
    t.match(await tampered(`update audit_event set source = 'elsewhere' where id = ${last - 3}`), {
      ok: false,
      detail: new RegExp(`event ${last - 3}`),
    })
    await tampered(`update audit_event set source = '127.0.0.1' where id = ${last - 3}`)
    t.match(await tampered(`update audit_head set last_id = last_id`), { ok: true })
    t.match(await tampered(`delete from audit_event where id = ${last}`), { ok: false, detail: /are left/ })
    t.match(await tampered(`delete from audit_event where id = ${last - 2}`), { ok: false, detail: /is missing/ })
  })
})
