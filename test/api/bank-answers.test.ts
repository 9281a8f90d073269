import t from 'tap'
import { apiWorld } from './api-world.ts'

t.test('answers of banks over HTTP', async (t) => {
  const { as, owner } = await apiWorld(t, { households: 1 })
  const { rows } = await owner.query<{ id: string }>(
    `insert into bank_file (name, bytes, sha256, received_by, state)
     select name, 1, sha256(convert_to(name, 'UTF8')), 'test', 'read' from unnest(array['one.xml', 'two.xml']) name returning id`,
  )
  const [one, two] = rows.map(({ id }) => Number(id))
  await owner.query(
    `insert into bank_answer (bank_file, number, answer, end_to_end_id, status, outcome)
     select f, n, 'status', format('UC-%s-%s', f, n), 'ACSC',
            case n when 1 then 'unknown' when 2 then 'unexpected: it was rejected' else 'released to accepted' end
     from unnest(array[$1, $2]::bigint[]) f, generate_series(1, 3) n`,
    [one, two],
  )
  const clerk = as('settlement')
  const listed = async (query = '') => {
    const { body } = await clerk(`/bank-answers?${query}`)
    const items = body.items.map((item: { fileId: number; number: number }) => [item.fileId, item.number])
    return { items, next: body.next }
  }

  await t.test('the open ones are listed unless told, in pages', async (t) => {
    t.same((await listed()).items, [
      [two, 1],
      [two, 2],
      [one, 1],
      [one, 2],
    ])
    t.equal((await listed('state=any')).items.length, 6)
    t.same((await listed('state=closed')).items, [])
    t.same((await listed(`state=any&endToEndId=UC-${one}-3`)).items, [[one, 3]])
    const first = await listed('limit=3')
    t.equal(first.items.length, 3)
    t.same(await listed(`limit=3&cursor=${first.next}`), { items: [[one, 2]], next: null })
    t.equal((await clerk('/bank-answers?state=other')).status, 400)
    t.equal((await clerk('/bank-answers?cursor=WzFd')).status, 400)
  })

  await t.test('one is closed once, with a reason, and who did so', async (t) => {
    const address = `/bank-answers/${one}/2/close`
    const body = { reason: 'the bank booked it and took it back' }
    t.equal((await as('operator')(address, { body })).status, 403)
    t.equal((await clerk(address, { body: { reason: '' } })).status, 400)
    t.equal((await clerk(address, { body: { reason: '   ' } })).status, 400)
    const closed = await clerk(address, { body, key: 'close-1' })
    t.match(closed, {
      status: 200,
      body: { isOpen: false, closedBy: 'user:settlement', closeReason: body.reason, outcome: /^unexpected/ },
    })
    t.same((await clerk(address, { body, key: 'close-1' })).body, closed.body, 'a repeat is told the same')
    t.match(await clerk(address, { body }), { status: 409, body: { detail: /is closed by user:settlement/ } })
    t.match(await clerk(`/bank-answers/${one}/3/close`, { body }), { status: 409, body: { detail: /released to acc/ } })
    t.equal((await clerk('/bank-answers/999/1/close', { body })).status, 404)
    t.same((await listed('state=closed')).items, [[one, 2]])
    const { items } = (await as('auditor')('/audit?actor=user:settlement&limit=200')).body
    const noted = items.filter(({ outcome }: { outcome: string }) => outcome === 'done')
    t.match(noted, [{ detail: { file: one, number: 2, reason: body.reason, endToEndId: `UC-${one}-2` } }])
  })
})
