import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { makeDemoUsers } from '../../src/switch-api.ts'
import { startTestSwitch } from '../support/switch.ts'

interface Access {
  readonly users: readonly { readonly name: string; readonly password: string }[]
}

t.test('the API of a running switch, over a socket', async (t) => {
  const mizan = await startTestSwitch(t, { households: 60 })
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

    await mizan.restart()
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

  t.test('production gets no demo users', async (t) => {
    const config = loadConfig({ env: { MIZAN_ENV: 'production', DATABASE_URL: mizan.databaseUrl } })
    await t.rejects(makeDemoUsers(config, mizan.databaseUrl), { code: 'DEMO_REFUSED' })
  })
})
