import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { authorizeText } from '../../bench/baseline-database.ts'
import { civilDate, formatDate } from '../../src/calendar.ts'
import { withClient } from '../../src/store/database-location.ts'
import { writerWorld } from '../support/writer.ts'

const bench = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench')

t.test('the design that the bench compares with authorizes on the tables as they are', async (t) => {
  const { url, clock } = await writerWorld(t)
  const today = civilDate(clock.now())
  await withClient(url, async (client) => {
    await client.query(readFileSync(path.join(bench, 'baseline.sql'), 'utf8'))
    await client.query('select ensure_partitions($1::date, 3)', [formatDate(today)])
    const { rows } = await client.query<{ household: string; index: Buffer; acceptor: string; terminal: string }>(
      `select h.id as household, c.pan_index as index, o.acceptor_id as acceptor, o.terminals[1] as terminal
       from household h join card c on c.household_id = h.id and c.kind = 'family' join outlet o using (governorate)
       order by h.id, o.id limit 1`,
    )
    const [card] = rows
    if (card === undefined) throw new Error('the world has no household with an outlet in its governorate')
    let stan = 0
    const ask = async (
      kind: string,
      changed: Partial<Record<'amount' | 'units' | 'original' | 'key', unknown>> = {},
    ) => {
      const isDraw = kind === 'draw'
      const { amount = 100, units = isDraw ? 5 : null, original = null, key = randomUUID() } = changed
      const whoAndWhen = [kind, card.index, formatDate(today), formatDate(today), new Date(clock.now()), 'iso87-ascii']
      const message = [
        '0200',
        key,
        randomUUID(),
        '81800001',
        card.terminal,
        card.acceptor,
        String(++stan).padStart(6, '0'),
      ]
      const rest = ['0101000000', String(stan).padStart(12, '0'), '400000******0000', kind === 'inquiry' ? '31' : '00']
      const accounts = [
        isDraw ? '92' : '20',
        '5411',
        amount,
        units,
        isDraw ? 1 : 4,
        isDraw ? 1 : 0,
        today,
        original,
        true,
      ]
      const values = [...whoAndWhen, ...message, ...rest, ...accounts]
      const { rows: answers } = await client.query<{ code: string }>(authorizeText, values)
      return answers[0]?.code
    }
    const money = async () => {
      const { rows: found } = await client.query<{ posted: string; held: string }>(
        'select posted, held from balance where household_id = $1 and account = 600100000000000 + $1::bigint',
        [card.household],
      )
      return { posted: Number(found[0]?.posted), held: Number(found[0]?.held) }
    }
    const before = await money()
    t.equal(await ask('draw'), '00')
    t.equal(await ask('draw', { units: 500 }), '51')
    const key = randomUUID()
    t.equal(await ask('debit', { key }), '00')
    t.same(await money(), { ...before, posted: before.posted - 100 })
    t.equal(await ask('reversal', { original: key }), '00')
    t.equal(await ask('reversal', { original: randomUUID() }), '25')
    t.equal(await ask('hold'), '00')
    t.same(await money(), { ...before, held: before.held + 100 })
    t.equal(await ask('inquiry'), '00')
    await client.query(`update household_term set status = 'suspended' where household_id = $1`, [card.household])
    t.equal(await ask('draw'), '58')
  })
})
