import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { unitDraw } from '../../src/simulator/messages.ts'
import { makeDemoUsers } from '../../src/switch-api.ts'
import { iban, peopleWorld, person } from '../people/people-world.ts'

interface Access {
  readonly users: readonly { readonly name: string; readonly password: string }[]
}

t.test('the API of a running switch, over a socket', async (t) => {
  const { world: mizan, newCard } = await peopleWorld(t)
  const file = path.join(mizan.varDir, 'demo', 'access.json')
  t.equal(statSync(file).mode & 0o777, 0o600, 'nobody else reads the demo users')
  const { users } = JSON.parse(readFileSync(file, 'utf8')) as Access
  const base = () => `http://127.0.0.1:${mizan.ports.http}/api/v1`
  const logIn = async (name: string) => {
    const password = users.find((user) => user.name === name)?.password
    const answer = await fetch(`${base()}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password }),
    })
    const { token } = (await answer.json()) as { token: string }
    return { authorization: `Bearer ${token}` }
  }
  const operator = await logIn('operator')
  let keys = 0
  const post = async (who: Record<string, string>, url: string, body: unknown, type = 'application/json') => {
    const answer = await fetch(url.startsWith('/api/') ? `${base().slice(0, -7)}${url}` : `${base()}${url}`, {
      method: 'POST',
      headers: { ...who, 'content-type': type, 'idempotency-key': `post-${++keys}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    // biome-ignore lint/suspicious/noExplicitAny: what a route answers is for its test to know
    const told: any = await answer.json()
    return { status: answer.status, told, location: answer.headers.get('location') ?? '' }
  }
  const get = async (who: Record<string, string>, url: string) =>
    (await fetch(`${base()}${url}`, { headers: who })).json()
  const { card } = mizan.household({ members: 4 })

  t.test('a card that is blocked by the API is refused at the next message', async (t) => {
    const search = await fetch(`${base()}/cards/search`, {
      method: 'POST',
      headers: { ...operator, 'content-type': 'application/json' },
      body: JSON.stringify({ pan: card.pan }),
    })
    const { cardId, householdId } = (await search.json()) as { cardId: number; householdId: number }
    const block = () =>
      fetch(`${base()}/cards/${cardId}/block`, {
        method: 'POST',
        headers: { ...operator, 'content-type': 'application/json', 'idempotency-key': 'ticket-1' },
        body: JSON.stringify({ status: 'lost', reason: 'reported' }),
      })
    const blocked = await block()
    t.equal(blocked.status, 200)
    const first = await blocked.json()
    t.match(first, { state: 'done', outcome: 'the card was active and is lost' })
    const shown = await fetch(`${base()}/households/${householdId}`, { headers: operator })
    t.match(await shown.json(), { cards: [{ status: 'lost' }] })

    const uploads = path.join(mizan.varDir, 'uploads')
    mkdirSync(path.join(uploads, 'upload-killed'), { recursive: true })
    writeFileSync(path.join(uploads, 'upload-killed', 'upload.csv'), 'what a process that was killed had been sent')
    await mizan.restart()
    t.same(readdirSync(uploads), [], 'nothing that names people stays behind')
    t.equal(statSync(uploads).mode & 0o777, 0o700)
    const again = await block()
    t.equal(again.headers.get('idempotent-replay'), 'true', 'the answer is kept over a restart')
    t.same(await again.json(), first)
    const audit = await fetch(`${base()}/audit?household=${householdId}`, { headers: await logIn('auditor') })
    t.match(await audit.json(), {
      items: [
        { action: 'GET /households/{householdId}', outcome: 'looked', source: '127.0.0.1' },
        { action: 'POST /cards/{cardId}/block', outcome: 'accepted' },
        { action: 'POST /cards/search', outcome: 'looked' },
      ],
    })
  })

  t.test('answers say what may be done with them, and a wrong method or body is told', async (t) => {
    const me = await fetch(`${base()}/auth/me`, { headers: operator })
    t.match(me.headers.get('content-security-policy'), "default-src 'none'")
    t.equal(me.headers.get('cache-control'), 'no-store')
    t.equal(me.headers.get('x-content-type-options'), 'nosniff')
    t.match(me.headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
    const method = await fetch(`${base()}/auth/me`, { method: 'DELETE', headers: operator })
    t.equal(method.status, 405)
    t.equal(method.headers.get('allow'), 'GET, HEAD')
    const large = await fetch(`${base()}/cards/search`, {
      method: 'POST',
      headers: { ...operator, 'content-type': 'application/json' },
      body: JSON.stringify({ pan: '4'.repeat(2_000_000) }),
    })
    t.equal(large.status, 413)
    t.match(large.headers.get('content-type'), 'application/problem+json')
    const form = await fetch(`${base()}/cards/search`, {
      method: 'POST',
      headers: operator,
      body: new URLSearchParams('pan=4'),
    })
    t.equal(form.status, 415)
    t.equal((await fetch(`${base()}/nowhere`, { headers: operator })).status, 404)
    t.equal((await fetch(`http://127.0.0.1:${mizan.ports.http}/api/docs/`)).status, 200)
  })

  t.test(
    'M13 M14 M16: a household is enrolled and its card issued by the API, and bread is drawn with it',
    async (t) => {
      const clerk = await logIn('enrolment')
      const asked = await post(clerk, '/households', {
        head: person(900),
        members: [person(901, false), person(902, false)],
        governorate: 'PTS',
        hasOldRationCard: false,
      })
      t.match(asked, { status: 200, told: { state: 'done' } })
      const { householdId, orderId } = asked.told
      const place = { kind: 'post', governorate: 'PTS', name: 'Post', address: 'Port Said', hours: '08:30-15:00' }
      t.equal((await post(operator, '/collection-places/pts-main', place)).status, 200)
      const { made, held } = newCard(900)
      const steps: [string, unknown][] = [
        [`/households/${householdId}/account`, { kind: 'new', iban: iban(900) }],
        [`/households/${householdId}/fingerprint`, { deviceId: '00000000000000d1', templateRef: '00000000000009f1' }],
        [`/orders/${orderId}/order`, { placeId: 'pts-main' }],
        [`/orders/${orderId}/printed`, made],
        [`/orders/${orderId}/ready`, {}],
        [`/orders/${orderId}/collected`, {}],
      ]
      for (const [url, body] of steps)
        t.match(await post(clerk, url, body), { status: 200, told: { state: 'done' } }, url)
      t.match(await get(clerk, `/orders/${orderId}`), { state: 'active', householdId, lastFour: made.pan.slice(-4) })
      const people = await get(clerk, `/households/${householdId}/people`)
      t.match(people, {
        members: [{ role: 'head', nationalId: /^\*{10}\d{4}$/ }],
        account: { reference: /^EG\*+\d{4}$/ },
      })
      const { members } = people as { members: { personId: number }[] }
      t.equal(members.length, 3)
      const head = { householdId, personId: members[0]?.personId, role: 'head', to: null }
      const { nationalId, mobile = '' } = person(900)
      for (const wanted of [{ nationalId }, { mobile }]) {
        t.match(await post(operator, '/people/search', wanted), { status: 200, told: { items: [head] } })
      }
      t.equal((await post(operator, '/people/search', { nationalId, mobile })).status, 400)
      t.equal((await post(operator, '/people/search', { nationalId: person(999).nationalId })).status, 404)
      const audit = await get(await logIn('auditor'), '/audit?action=POST%20/people/search')
      const { items: searches } = audit as { items: readonly { outcome: string }[] }
      const looked = searches.filter(({ outcome }) => outcome === 'looked')
      t.equal(looked.length, 3, 'the audit has also who looked in vain')
      const mobileUrl = `/people/${members[1]?.personId}/mobile`
      const wish = { mobile: '01500000555', mobileProof: 'operator-check' }
      t.match(await post(clerk, mobileUrl, wish), { status: 200, told: { mobile: '**********555' } })
      t.equal((await post(clerk, mobileUrl, { mobile: '0221234567', mobileProof: 'operator-check' })).status, 400)
      t.equal((await post(operator, mobileUrl, wish)).status, 403)
      mizan.clock.advance(86_400_000)
      const draw = () =>
        mizan.pos.ask(unitDraw({ card: held, terminal: mizan.place('bakery', 'PTS'), quantity: 5, pricePiasters: 20 }))
      t.equal((await draw()).answer.code, '00')
      for (const [governorate, code] of [
        ['SUZ', '57'],
        ['PTS', '00'],
      ] as const) {
        const moved = await post(clerk, `/households/${householdId}/move`, { governorate, reasonCode: 'new-home' })
        t.match(moved, { status: 200, told: { state: 'done' } })
        t.equal((await draw()).answer.code, code, 'where it lives')
      }
      const { cardId } = (await get(clerk, `/orders/${orderId}`)) as { cardId: number }
      t.match(await post(clerk, `/cards/${cardId}/report`, { kind: 'loss', reason: 'lost on the way' }), {
        status: 200,
      })
      t.equal((await draw()).answer.code, '41', 'it is blocked at once')
      const faulty = await post(clerk, '/households', {
        head: { ...person(903), nationalId: '99999999999999' },
        members: [],
        governorate: 'PTS',
        hasOldRationCard: false,
      })
      t.equal(faulty.status, 400)
      t.notMatch(JSON.stringify(faulty.told), '99999999999999')
      mizan.clock.advance(-86_400_000)
      const { rows } = await mizan.client.query<{ kept: string }>(
        `select concat((select string_agg(x::text, ' ') from audit_event x),
           (select string_agg(x::text, ' ') from idempotent_request x),
           (select string_agg(x::text, ' ') from command_inbox x), (select string_agg(x::text, ' ') from person x)) as kept`,
      )
      const kept = rows[0]?.kept ?? ''
      t.match(kept, `/api/v1/orders/${orderId}/printed`)
      for (const secret of [made.pan, person(900).nationalId, person(900).mobile?.slice(1) ?? '?', iban(900)]) {
        t.notMatch(kept, secret, 'what identifies a person or card is kept sealed alone')
      }
    },
  )

  t.test('M21: a programme that two people publish by the API decides on the next message', async (t) => {
    const today = '2026-11-11'
    const { content } = (await get(operator, '/programmes/bread')) as { content: Record<string, unknown> }
    const next = {
      ...content,
      version: 2,
      effectiveFrom: today,
      tariff: [
        { from: '2024-06-01', piasters: 20 },
        { from: today, piasters: 30 },
      ],
    }
    const bad = { ...next, cash: 'always', entitlment: {} }
    t.match((await post(operator, '/programmes/validate', { content: bad })).told, { valid: false })
    t.match((await post(operator, '/programmes/validate', { content: next })).told, { valid: true, problems: [] })
    t.equal((await post(operator, '/programmes/bread/draft', { content: bad })).status, 422)
    t.match(await post(operator, '/programmes/bread/draft', { content: next }), {
      status: 200,
      told: { state: 'draft' },
    })
    const { items } = (await get(operator, '/programmes/bread/diff?from=1&to=2')) as { items: { path: string }[] }
    t.match(
      items.find(({ path: field }) => field === 'version'),
      { before: 1, after: 2 },
    )
    const asked = await post(operator, '/programmes/bread/versions/2/submit', { reason: 'a new price' })
    t.match(asked, { status: 202, told: { kind: 'programme-publish', state: 'pending' } })
    const home = mizan.household({ members: 3 })
    const draw = (pricePiasters: number) => {
      const terminal = mizan.place('bakery', home.governorate)
      return mizan.pos.ask(unitDraw({ card: home.card, terminal, quantity: 1, pricePiasters }))
    }
    t.equal((await draw(30)).answer.code, '13', 'not yet')
    t.equal((await post(operator, `${asked.location}/approve`, {})).status, 403, 'not by who asked')
    const approved = await post(await logIn('operator-2'), `${asked.location}/approve`, { note: 'read' })
    t.match(approved, { status: 200, told: { state: 'approved', checker: 'operator-2', result: /bread version 2/ } })
    t.equal((await draw(30)).answer.code, '00')
    t.equal((await draw(20)).answer.code, '13')
  })

  t.test('M19: outlets and rollout are changed by the API, where money goes by two people', async (t) => {
    const [outlet] = mizan.world.outlets.filter(({ category }) => category === 'bakery')
    const acceptor = outlet?.acceptorId ?? ''
    const home = mizan.household({ governorate: outlet?.governorate ?? '' })
    const draw = async () => {
      const terminal = { acceptorId: acceptor, terminalId: outlet?.terminals[0] ?? '', mcc: outlet?.mcc ?? '' }
      return (await mizan.pos.ask(unitDraw({ card: home.card, terminal, quantity: 1, pricePiasters: 30 }))).answer.code
    }
    const standing = (status: string) =>
      post(operator, `/outlets/${acceptor}/status`, { status, reason: 'an inspection' })
    t.equal(await draw(), '00')
    t.match((await standing('suspended')).told, { acceptor, standings: [{ status: 'suspended' }] })
    t.equal(await draw(), '03')
    await standing('active')
    t.equal(await draw(), '00')
    t.equal((await post(operator, `/outlets/${acceptor}`, { settlementBank: 'B1' })).status, 400, 'not by one person')
    const change = {
      kind: 'outlet-settlement',
      payload: { acceptor, settlementBank: 'B1', settlementAccount: 'EG77' },
      reason: 'moved',
    }
    const unfit = { ...change, payload: { acceptor, settlementBank: 'b', settlementAccount: 'EG 7' } }
    const faults = [{ pointer: '/payload/settlementBank' }, { pointer: '/payload/settlementAccount' }]
    const settler = await logIn('settlement')
    t.match(await post(settler, '/change-requests', unfit), { status: 400, told: { errors: faults } }, 'said at once')
    const asked = await post(settler, '/change-requests', change)
    t.match(await post(await logIn('settlement-2'), `${asked.location}/approve`, {}), { told: { state: 'approved' } })
    t.match(await get(operator, `/outlets/${acceptor}`), { settlementBank: 'B1', settlementAccount: 'EG77' })
    const long = { name: 'N'.repeat(200), nameAr: 'م'.repeat(200) }
    t.match(await post(operator, `/outlets/${acceptor}`, long), { status: 200, told: long }, 'as long as it may be')
    t.match(await get(operator, `/outlets/${acceptor}`), long)
    const file = `acceptor,name\n${acceptor},Bakery 12\n`
    const checked = await post(operator, '/outlet-files/check?format=csv', file, 'text/csv')
    t.match(checked, { status: 200, told: { totals: { rows: 1, changed: 1, rejected: 0 } } })
    t.match(await post(operator, '/outlet-files?format=csv', file, 'text/csv'), { told: { totals: { changed: 1 } } })
    t.match(await get(operator, `/outlets/${acceptor}`), { name: 'Bakery 12' })
    const added = (name: string, more = '') =>
      `acceptor,name,category,mcc,governorate,settlementBank,settlementAccount\n${name},New,shop,5311,PTS,${more || ','}\n`
    t.equal((await post(operator, '/outlet-files?format=csv', added('NEW1'), 'text/csv')).status, 200)
    const paid = added('NEW2', 'B1,EG78')
    const refused = await post(operator, '/outlet-files?format=csv', paid, 'text/csv')
    t.match(
      refused,
      { status: 409, told: { detail: /needs a second person/ } },
      'not by one person for a new one either',
    )
    const told = await post(operator, '/outlet-files/check?format=csv', paid, 'text/csv')
    t.match(told.told, { totals: { added: 1, settlementChanged: 1 } }, 'and nothing of it was kept')
    const wanted = { kind: 'outlet-file', payload: { sha256: told.told.sha256 }, reason: 'new outlets' }
    const waiting = await post(operator, '/change-requests', wanted)
    t.equal((await post(await logIn('settlement'), `${waiting.location}/approve`, {})).status, 200)
    const url = `/outlet-files?format=csv&change=${waiting.told.changeId}`
    t.match(await post(operator, url, paid, 'text/csv'), { status: 200, told: { totals: { added: 1 } } })
    const entry = { service: 'bread', governorate: outlet?.governorate, liveFrom: '2027-01-01' }
    const rollout = await post(operator, '/change-requests', { kind: 'rollout-set', payload: entry, reason: 'put off' })
    t.match(await post(await logIn('operator-2'), `${rollout.location}/approve`, {}), { told: { state: 'approved' } })
    t.equal(await draw(), '57')
    t.match(await get(operator, '/rollout/history'), { items: [entry] })
  })

  t.test('M18: a membership file is applied after a second person has agreed to it', async (t) => {
    const clerk = await logIn('enrolment')
    const { id } = mizan.household({ members: 4 })
    const line = { household: id, event: 'suspended', effective: '2026-11-11', reasonCode: 'review' }
    const trailer = { event: 'total', lines: 1, added: 0, removed: 0, headChanged: 0, suspended: 1, reinstated: 0 }
    const send = (url: string, lines: readonly object[]) =>
      post(clerk, url, `${lines.map((one) => JSON.stringify(one)).join('\n')}\n`, 'application/x-ndjson')
    const cut = await send('/membership-files/check?format=ndjson', [line])
    t.match(cut, { status: 400, told: { detail: /trailer/ } }, 'a file without its trailer is cut off')
    const checked = await send('/membership-files/check?format=ndjson', [line, trailer])
    t.match(checked, { status: 200, told: { done: 1, rejected: 0, events: { suspended: 1 } } })
    t.equal((await send('/membership-files?format=ndjson', [line, trailer])).status, 409)
    const payload = { sha256: checked.told.sha256 }
    const asked = await post(clerk, '/change-requests', { kind: 'membership-file', payload, reason: 'November' })
    t.match(await post(operator, `${asked.location}/approve`, {}), { told: { state: 'approved' } })
    const change = asked.told.changeId
    const applied = await send(`/membership-files?format=ndjson&change=${change}`, [line, trailer])
    t.match(applied, { status: 200, told: { done: 1, wasApplied: false } })
    const again = await send(`/membership-files?format=ndjson&change=${change}`, [line, trailer])
    t.match(again, { status: 200, told: { wasApplied: true } })
    const shown = (await get(operator, `/households/${id}`)) as { terms: { status: string }[] }
    t.equal(shown.terms.at(-1)?.status, 'suspended')
    t.equal((await send(`/membership-files?format=ndjson&change=${change}`, [line, line, trailer])).status, 409)
  })

  t.test('production gets no demo users', async (t) => {
    const config = loadConfig({ env: { MIZAN_ENV: 'production', DATABASE_URL: mizan.databaseUrl } })
    await t.rejects(makeDemoUsers(config, mizan.databaseUrl), { code: 'DEMO_REFUSED' })
  })
})
