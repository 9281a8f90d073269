import t from 'tap'
import { apiWorld } from './api-world.ts'

t.test('what a second person agrees to is a content, not a number', async (t) => {
  const world = await apiWorld(t, { households: 2 })
  const [maker, second] = [world.as('operator'), world.as('operator-2')]
  const { content } = (await maker('/programmes/bread')).body
  const version = (piasters: number) => ({
    ...content,
    version: 2,
    effectiveFrom: '2026-12-01',
    tariff: [
      { from: '2024-06-01', piasters: 20 },
      { from: '2026-12-01', piasters },
    ],
  })
  const submit = async (piasters: number) => {
    t.equal((await maker('/programmes/bread/draft', { body: { content: version(piasters) } })).status, 200)
    const asked = await maker('/programmes/bread/versions/2/submit', { body: { reason: 'a price' } })
    t.equal(asked.status, 202)
    return asked.body as { changeId: number; payload: { versions: { checksum: string }[] } }
  }
  const withdraw = () => maker('/programmes/bread/versions/2/withdraw', { body: { reason: 'wrong' } })
  const approve = (changeId: number) => second(`/change-requests/${changeId}/approve`, { body: {} })

  const old = await submit(25)
  t.match(old.payload.versions[0]?.checksum, /^[0-9a-f]{64}$/)
  t.equal((await withdraw()).status, 200)
  t.match((await maker(`/change-requests/${old.changeId}`)).body, {
    state: 'expired',
    result: 'version 2 of bread was withdrawn',
  })
  const next = await submit(900)
  t.equal((await approve(old.changeId)).status, 409, 'the first request is not one for the second content')
  const payload = { versions: [{ code: 'bread', version: 2, checksum: old.payload.versions[0]?.checksum }] }
  const stale = await maker('/change-requests', { body: { kind: 'programme-publish', payload, reason: 'a price' } })
  t.match(stale, { status: 409, body: { detail: /another content than the one asked for/ } })

  // As if the withdrawal had not seen the request: what it is bound to refuses it still.
  await world.owner.query(
    `insert into change_request (kind, payload, reason, maker, maker_person, expires_at)
     select kind, payload, reason, maker, maker_person, now() + interval '1 day' from change_request where id = $1`,
    [old.changeId],
  )
  const { items } = (await maker('/change-requests?state=pending')).body
  t.match(await approve(items[0].changeId), { status: 409, body: { detail: /written anew since it was asked for/ } })
  t.match((await maker('/programmes/bread?version=2')).body, { state: 'submitted' })
  t.match(await approve(next.changeId), { status: 200, body: { state: 'approved', result: /bread version 2/ } })
  const published = (await maker('/programmes/bread')).body
  t.match(published, { version: 2, checksum: next.payload.versions[0]?.checksum })
})
