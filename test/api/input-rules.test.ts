import t from 'tap'
import { apiRoutes } from '../../src/api/api.ts'
import { sourceOf } from '../../src/api/authentication.ts'
import { buildHttpApp } from '../../src/api/http-server.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { apiWorld } from './api-world.ts'

const JSON_BODY = { 'content-type': 'application/json' }

/** What a caller gets wrong is told as such: never a 500, and never taken for something else. */
t.test('what comes in is what may be kept', async (t) => {
  const world = await apiWorld(t, { commandWaitMs: () => 50 })
  const operator = world.as('operator')
  const { rows } = await world.owner.query<{ acceptor_id: string }>(
    'select acceptor_id from outlet order by id limit 1',
  )
  const outlet = `/outlets/${encodeURIComponent(String(rows[0]?.acceptor_id))}`

  t.test('dates', async (t) => {
    const wrong = (pointer: string) => ({
      status: 400,
      body: { errors: [{ pointer, detail: /^must be a date that exists, .* from 1900-01-01 to 2999-12-31$/ }] },
    })
    for (const day of ['9999-12-31', '2026-02-30']) {
      const terminals = [{ id: 'T1', to: day }]
      t.match(await operator(outlet, { body: { terminals } }), wrong('/terminals/0/to'))
      const body = { status: 'suspended', from: day, reason: 'a test' }
      t.match(await operator(`${outlet}/status`, { body }), wrong('/from'))
      t.match(await operator(`/outlets?licenceEndsBy=${day}`), wrong('/licenceEndsBy'))
      const payload = { service: 'bread', governorate: 'PTS', liveFrom: day }
      const change = { kind: 'rollout-set', payload, reason: 'a test' }
      t.match(await operator('/change-requests', { body: change }), { status: 400 })
    }
  })

  t.test('instants', async (t) => {
    const { status } = await world.as('auditor')('/audit?from=2026-02-28T23:59:59.999%2B02:00&to=2999-12-30T00:00Z')
    t.equal(status, 200)
    for (const text of [
      '2026-02-30T12:00:00Z',
      '2026-02-28T25:61:00Z',
      '9999-12-31T23:59:59%2B14:00',
      '2026-01-01T00:00%2B99:00',
    ]) {
      for (const name of ['from', 'to']) {
        const told = await world.as('auditor')(`/audit?${name}=${text}`)
        t.match(told, { status: 400, body: { errors: [{ pointer: `/${name}`, detail: /^must be an instant/ }] } })
        t.equal((await operator(`/authorizations?${name}=${text}`)).status, 400)
        t.equal((await operator(`/households/1/authorizations?${name}=${text}`)).status, 400)
      }
    }
  })

  t.test('a number and a truth value of an address are written in one way', async (t) => {
    const refused = async (url: string, asked = {}) => t.equal((await operator(url, asked)).status, 400, url)
    const body = { status: 'restricted', reason: 'a test' }
    for (const text of [
      '45.9',
      '0x10',
      '1e1',
      '%2B5',
      'true',
      '05',
      '1.0',
      '%205',
      '-0',
      '9007199254740993',
      '1e400',
    ]) {
      await refused(`/cards/${text}/block`, { body })
      await refused(`/households/${text}`)
      await refused(`/outlets?limit=${text}`)
    }
    for (const text of ['1', 'yes', 'TRUE', '']) await refused(`/account-host/exceptions?resolved=${text}`)
    t.equal((await operator('/account-host/exceptions?resolved=false&limit=5')).status, 200)
    t.equal((await operator('/households/5')).status, 200)
    t.equal((await world.owner.query('select from command_inbox')).rowCount, 0, 'no card was blocked')
  })

  t.test('texts hold no control characters, wherever they stand', async (t) => {
    for (const bad of ['a\u0000b', 'a\u001b[2Jb', '\ud800']) {
      const asked = [
        ['/cards/5/report', { kind: 'loss', reason: bad }],
        ['/cards/5/block', { status: 'lost', reason: bad }],
        ['/account-host/exceptions/1/resolve', { resolution: bad }],
        ['/change-requests', { kind: 'household-status', payload: { householdId: 5, [bad]: 1 }, reason: 'x' }],
        ['/programmes/validate', { content: { deep: [{ inside: bad }] } }],
      ] as const
      for (const [url, body] of asked) {
        const told = await world.as(url.startsWith('/account-host') ? 'settlement' : 'operator')(url, { body })
        t.match(told, { status: 400, body: { code: 'BAD_INPUT' } }, url)
        t.ok(JSON.stringify(told.body.errors).includes('control character'), url)
      }
    }
    t.equal((await world.as('auditor')(`/audit?actor=${encodeURIComponent('a\u0000')}`)).status, 400)
    t.equal((await operator('/outlets/%00')).status, 400)
    const deep = `{"content":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`
    t.ok((await operator('/programmes/validate', { body: deep, headers: JSON_BODY })).status < 500)
    const reason = 'two lines:\r\n\tnot a fault'
    t.equal((await operator('/cards/5/block', { body: { status: 'restricted', reason } })).status, 202)
  })

  t.test('a cursor that no page gave is refused', async (t) => {
    const big = 2 ** 53 - 1
    const parts = [[-1], [0], [big], ['a\u0000'], [0, 0], [-1, -1], [big, big], [1, 1, big], [1, big, 20261111]]
    const texts = [...parts, ['2026-02-30', 1], ['9999-12-31', big], ['2026-11-11', -1], [null], [{}], []]
    for (const { method, path, query } of apiRoutes) {
      const { properties = {} } = (query ?? {}) as { properties?: Record<string, unknown> }
      if (method !== 'GET' || !('cursor' in properties)) continue
      const url = path.replace('{date}', '2026-11-11').replaceAll(/\{\w+\}/g, '1')
      for (const text of texts) {
        const cursor = Buffer.from(JSON.stringify(text)).toString('base64url')
        for (const role of ['operator', 'auditor', 'settlement', 'enrolment'] as const) {
          const { status } = await world.as(role)(`${url}?cursor=${cursor}`)
          if (status !== 403) t.ok(status < 500, `${url} ${JSON.stringify(text)}: ${status}`)
          if (status !== 403) break
        }
      }
    }
  })

  t.test('the address of a caller is one, whatever a proxy says', async (t) => {
    const app = await buildHttpApp({
      health: () => ({ checks: {} }),
      metrics: createMetrics(),
      plugins: [
        {
          prefix: '/api',
          routes: async (scope) => void scope.get('/who', async (request) => ({ ip: sourceOf(request) })),
        },
      ],
      trustedProxies: ['127.0.0.0/8'],
    })
    t.teardown(() => app.close())
    const told = async (text: string) =>
      (await app.inject({ url: '/api/who', headers: { 'x-forwarded-for': text } })).json().ip
    const given = [
      ['1.2.3.4:55', '1.2.3.4'],
      ['[2001:db8::1]:55', '2001:db8::1'],
      ['2001:db8::1', '2001:db8::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['::ffff:1.2.3.4', '1.2.3.4'],
      ['evil', '127.0.0.1'],
      ["1.2.3.4' or 1=1", '127.0.0.1'],
      ['1.2.3.999:5', '127.0.0.1'],
    ]
    for (const [text = '', address] of given) t.equal(await told(text), address, text)
  })
})
