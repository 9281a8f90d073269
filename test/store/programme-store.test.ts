import t from 'tap'
import type { ProgrammeFile } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { parseDate } from '../../src/calendar.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { findProgramme, listProgrammes, loadProgrammes, readCatalogue } from '../../src/store/programme-reader.ts'
import { checksumOf } from '../../src/store/programme-record.ts'
import {
  installProgrammes,
  programmeTransaction,
  publishProgrammes,
  saveDraft,
  submitProgramme,
  withdrawProgramme,
} from '../../src/store/programme-store.ts'
import { followProgrammes } from '../../src/store/programme-watch.ts'
import { createTestDatabase } from '../support/database.ts'

const today = parseDate('2026-11-22')

function next(code: string, effectiveFrom: string, change: object = {}): ProgrammeFile {
  const file = shippedProgrammes.find((one) => one.code === code)
  return { ...file, version: 2, effectiveFrom, ...change } as ProgrammeFile
}

/** Takes each step in a transaction of its own, as a command does. */
function desk(client: Client) {
  const audited: string[] = []
  const by = (actor: string) => ({
    actor,
    audit: async (_: Client, { action, target }: { action: string; target: string }) => {
      audited.push(`${action} ${target} ${actor}`)
    },
  })
  const step = <T>(work: () => Promise<T>) => programmeTransaction(client, work)
  return {
    audited,
    draft: (content: unknown, actor = 'maker') => step(() => saveDraft(client, content, by(actor))),
    submit: (code: string, version: number, actor = 'maker') =>
      step(() => submitProgramme(client, { code, version }, by(actor))),
    publish: (references: [string, number][], actor = 'checker') =>
      step(() =>
        publishProgrammes(
          client,
          references.map(([code, version]) => ({ code, version })),
          { ...by(actor), today },
        ),
      ),
    withdraw: (code: string, version: number) =>
      step(() => withdrawProgramme(client, { code, version }, { ...by('maker'), today, reason: 'a mistake' })),
  }
}

t.test('versions of programmes in the database', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  const owner = await connect({ url, name: 'test owner' })
  const errors: unknown[] = []
  const live = await followProgrammes({ url, onChange: () => undefined, onError: (error) => errors.push(error) })
  t.teardown(async () => {
    await live.close()
    await client.end()
    await owner.end()
  })
  const { audited, draft, submit, publish, withdraw } = desk(client)

  await t.test('an empty database begins with the programmes that ship', async (t) => {
    const versions = await listProgrammes(client)
    t.equal(versions.length, shippedProgrammes.length)
    t.ok(versions.every(({ state, published }) => state === 'published' && published?.by === 'installation'))
    await installProgrammes(owner, shippedProgrammes)
    t.equal((await listProgrammes(client)).length, shippedProgrammes.length, 'once')
    t.strictSame(
      (await findProgramme(client, 'ration')).file,
      shippedProgrammes.find(({ code }) => code === 'ration'),
    )
    const analyst = await connect({ url, name: 'test analyst', role: 'mizan_analyst' })
    t.equal((await readCatalogue(analyst)).versions.length, shippedProgrammes.length, 'analysts may read them')
    await t.rejects(analyst.query('select from programme_version'), { code: '42501' })
    await analyst.end()
  })

  await t.test('draft, submit, publish: by two people, followed at once', async (t) => {
    const content = next('bread', '2026-11-22', { tariff: [{ from: '2022-01-01', piasters: 25 }] })
    const { draft: made, warnings } = await draft(content)
    t.match(made, { code: 'bread', version: 2, state: 'draft', created: { by: 'maker' } })
    t.same(warnings, [])
    await t.rejects(publish([['bread', 2]]), { code: 'CONFLICT', message: /draft and cannot be published/ })
    await draft({ ...content, name: { en: 'Bread', ar: 'خبز' } })
    t.equal((await submit('bread', 2)).submitted?.by, 'maker')
    await t.rejects(draft(content), { code: 'CONFLICT' }, 'what is submitted is not written anew')
    await t.rejects(publish([['bread', 2]], 'maker'), { code: 'FORBIDDEN', message: /another person publishes it/ })
    t.equal(live.on(today).byCode('bread')?.version, 1)
    await publish([['bread', 2]])
    await live.refresh()
    t.equal(live.on(today).byCode('bread')?.version, 2, 'it decides')
    t.equal(live.on(parseDate('2026-11-21')).byCode('bread')?.version, 1, 'from its date on')
    t.same(audited.slice(-2), ['programme-submitted bread@2 maker', 'programme-published bread@2 checker'])
  })

  await t.test('what does not fit is refused, with the way out', async (t) => {
    await t.rejects(draft({ kind: 'walet' }), { code: 'PROGRAMME_INVALID', message: /kind must be one of/ })
    await t.rejects(draft(next('ration', '2027-01-01', { version: 5 })), {
      code: 'CONFLICT',
      message: /the next version of ration is 2, not 5/,
    })
    await t.rejects(draft(next('bread', '2027-01-01')), { message: /was published and never changes/ })
    await t.rejects(findProgramme(client, 'cake'), { code: 'NOT_FOUND' })
    const clash = next('ration', '2027-01-01', { code: 'more', version: 1, number: 1, accountCode: '97' })
    const { warnings } = await draft(clash)
    t.match(warnings, [{ path: 'number', message: 'number 1 is that of bread'.slice(7) }], 'warned while it is a draft')
    await t.rejects(submit('more', 1), { code: 'PROGRAMME_INVALID' })
    t.equal((await withdraw('more', 1)).state, 'withdrawn')
    await draft(next('ration', '2026-11-21'))
    await submit('ration', 2)
    await t.rejects(publish([['ration', 2]]), { message: /begins 2026-11-21.*from 2026-11-22 on/ })
    await withdraw('ration', 2)
    await draft(next('ration', '2026-12-01'))
    await submit('ration', 2, 'third')
    await t.rejects(publish([['ration', 2]], 'third'), { code: 'FORBIDDEN' }, 'nor does who submitted it')
    await publish([['ration', 2]])
    t.equal((await withdraw('ration', 2)).state, 'withdrawn', 'it has not decided anything')
    await t.rejects(withdraw('bread', 2), { message: /bread version 2 decides since 2026-11-22/ })
    await t.rejects(draft(next('ration', '2026-12-01')), { message: /was published and never changes/ })
  })

  await t.test('programmes that need each other are published together', async (t) => {
    const bread = next('bread', '2027-01-01', { version: 3, tariff: [{ from: '2022-01-01', piasters: 25 }] })
    const { exclusiveWith: _, ...alone } = bread as Extract<ProgrammeFile, { kind: 'wallet' }>
    await draft(alone)
    await t.rejects(submit('bread', 3), { message: /bread does not exclude flour: publish both together/ })
    await draft(next('flour', '2027-01-01', { exclusiveWith: undefined }))
    await submit('bread', 3)
    await submit('flour', 2)
    await t.rejects(publish([['bread', 3]]), { message: /flour version 1: exclusiveWith bread does not exclude flour/ })
    t.equal(
      (
        await publish([
          ['flour', 2],
          ['bread', 3],
        ])
      ).length,
      2,
    )
    await t.rejects(withdraw('bread', 3), { code: 'PROGRAMME_INVALID' }, 'nor does one go back alone')
  })

  await t.test('a new programme gets its accounts; nobody changes or deletes what is published', async (t) => {
    const grant = next('grants', '2026-11-22', { code: 'winter-grant', version: 1, number: 40 })
    await draft(grant)
    await submit('winter-grant', 1)
    await publish([['winter-grant', 1]])
    const chart = await client.query<{ name: string }>(
      'select name from account_kind where kind % 100 = 40 order by kind',
    )
    t.same(
      chart.rows.map(({ name }) => name),
      ['wallet', 'redeemed', 'funding', 'expired', 'converted', 'advanced'].map((name) => `winter-grant ${name}`),
    )
    const change = `content = jsonb_set(content, '{name,en}', '"Other"')`
    for (const set of [change, `state = 'draft'`, `published_by = 'x'`, `version = 9`, `state = 'submitted'`]) {
      const sql = `update programme_version set ${set} where code = 'winter-grant'`
      await t.rejects(client.query(sql), { code: '23514' }, set)
      await t.rejects(owner.query(sql), { code: '23514' }, `${set}, by the owner`)
    }
    await t.rejects(client.query('delete from programme_version'), { code: '42501' })
    const self = `update programme_version set state = 'published', published_by = created_by, published_at = now()`
    await draft(next('points', '2027-01-01'))
    await submit('points', 2)
    await t.rejects(owner.query(`${self} where code = 'points' and version = 2`), {
      message: /programme_version_second_person/,
    })
    const second = { ...next('points', '2027-02-01'), version: 3 }
    await t.rejects(draft(second), { message: /version 2 of points is submitted/ })
    await t.rejects(
      client.query(
        `insert into programme_version (code, version, number, effective_from, content, checksum, state, created_by)
         values ('points', 3, 3, '2027-02-01', $1, $2, 'draft', 'x')`,
        [JSON.stringify(second), checksumOf(second)],
      ),
      { message: /programme_version_open/ },
    )
  })

  await t.test('a bad version in the database changes nothing for a running switch', async (t) => {
    await live.refresh()
    const before = live.catalogue
    await owner.query('alter table programme_version disable trigger programme_version_guard')
    const where = `where code = 'flour' and version = 2`
    await owner.query(`create table kept as select content from programme_version ${where}`)
    await owner.query(`update programme_version set content = jsonb_set(content, '{tariff}', '[]') ${where}`)
    await live.refresh()
    await live.refresh()
    t.equal(live.catalogue, before, 'the old one decides')
    t.match(errors, [{ code: 'PROGRAMME_INVALID', message: /flour version 2 in the database/ }], 'told once')
    await t.rejects(loadProgrammes(client), { code: 'PROGRAMME_INVALID' }, 'a switch that starts says what is wrong')
    await owner.query(`update programme_version set content = (select content from kept) ${where}`)
    await live.refresh()
    t.not(live.catalogue, before, 'mended: taken over')
    t.equal(errors.length, 1)
  })
})
