import t from 'tap'
import type { ProgrammeFile } from '../../src/benefit/programme-schema.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { addDays, type CivilDate, civilDate, formatDate, monthOf } from '../../src/calendar.ts'
import { programmeSimulationJob } from '../../src/jobs/programme-simulation-job.ts'
import { lastMonth } from '../../src/store/programme-replay.ts'
import { beginSimulation } from '../../src/store/programme-simulations.ts'
import { breadDraw } from '../support/bread-draw.ts'
import { ask } from '../support/writer.ts'
import { apiWorld } from './api-world.ts'

const SIMULATIONS = '/programmes/bread/versions/2/simulations'
const HOUSEHOLDS = 5

t.test('what a version would have done to past draws is asked for over HTTP, and a job tells', async (t) => {
  const { as, owner, url, clock, start } = await apiWorld(t)
  const writer = await start()
  const today = civilDate(clock.now())
  const from = formatDate((monthOf(today) * 100 + 1) as CivilDate)
  const job = programmeSimulationJob({ url })
  const never = new AbortController().signal
  const operator = as('operator')
  const content = { ...shippedProgrammes.find(({ code }) => code === 'bread'), version: 2 } as ProgrammeFile
  const draft = (change: object) => {
    const next = { ...content, effectiveFrom: formatDate(addDays(today, 3)), ...change }
    return operator('/programmes/bread/draft', { method: 'POST', body: { content: next } })
  }
  const read = async (simulationId: number) =>
    (await as('auditor')(`/programme-simulations/${simulationId}`)).body as Record<string, unknown>
  const fourLoaves = { entitlement: { period: 'day', perMember: 4 } }
  t.equal((await draft(fourLoaves)).status, 200)
  let loaves = 0
  for (let id = 1; id <= HOUSEHOLDS; id++) {
    const draw = breadDraw(id, clock.now())
    t.equal((await ask(writer, draw.request)).result, 'approved')
    loaves += draw.loaves
  }

  await t.test('the report', async (t) => {
    t.equal(await job.look(), 'nothing was asked for')
    t.match(await as('auditor')(SIMULATIONS, { body: { from } }), { status: 403 })
    const told = await operator(SIMULATIONS, { body: { from }, key: 'four-loaves' })
    t.match(told, {
      status: 202,
      body: { code: 'bread', version: 2, from, state: 'waiting', askedBy: 'user:operator' },
    })
    const { simulationId } = told.body
    t.equal(told.headers.location, `/api/v1/programme-simulations/${simulationId}`)
    t.match(await read(simulationId), { state: 'waiting', report: null, attempts: 0 })
    t.same((await operator(SIMULATIONS, { body: { from }, key: 'four-loaves' })).body, told.body)
    t.match((await operator(SIMULATIONS, { body: { from } })).body, { simulationId }, 'asked for anew, it is one')
    t.equal(await job.look(), undefined)
    t.equal(await job.run(never), 'bread version 2: done')
    const done = await read(simulationId)
    t.match(done, { state: 'done', attempts: 1, messages: HOUSEHOLDS, words: null, endedAt: String })
    t.match(done.report, {
      ...{ code: 'bread', version: 2, comparedWith: 1, from },
      ...{ draws: HOUSEHOLDS, households: HOUSEHOLDS, asRecorded: HOUSEHOLDS },
      changed: { declined: { 'wallet.balance': HOUSEHOLDS }, approved: {}, households: HOUSEHOLDS },
      drawn: { before: loaves, after: 0 },
    })
    t.equal(await job.run(never), 'nothing was asked for')
    const listed = await as('analyst')('/programmes/bread/simulations?version=2')
    t.match(listed.body, { items: [{ simulationId, state: 'done' }], next: null })
    t.match((await as('analyst')('/programmes/bread/simulations?version=1')).body, { items: [] })
    const noted = await as('auditor')(
      '/audit?action=POST%20/programmes/%7Bcode%7D/versions/%7Bversion%7D/simulations&limit=1',
    )
    t.match(noted.body.items, [{ actor: 'user:operator', detail: { simulation: simulationId, version: 2 } }])
  })

  await t.test('without dates it is of last month', async (t) => {
    const span = lastMonth(today)
    const { body } = await operator(SIMULATIONS, { body: {} })
    t.match(body, { from: formatDate(span.from), to: formatDate(span.to) })
    await job.run(never)
    t.match(await read(body.simulationId), { state: 'done', messages: 0, report: { draws: 0, households: 0 } })
    t.same(lastMonth(20270115 as CivilDate), { from: 20261201, to: 20261231 })
    t.same(lastMonth(20280331 as CivilDate), { from: 20280201, to: 20280229 })
  })

  await t.test('what cannot be decided again is refused at once', async (t) => {
    const asked = (address: string, body: object) => operator(address, { body })
    t.match(await asked('/programmes/bread/versions/9/simulations', {}), { status: 404 })
    t.match(await asked('/programmes/pension/versions/1/simulations', {}), {
      status: 400,
      body: { detail: /pension is of kind credit: only draws on wallets/ },
    })
    t.match(await asked(SIMULATIONS, { from: '2026-02-30' }), {
      status: 400,
      body: { errors: [{ pointer: '/from', detail: /must be a date that exists/ }] },
    })
    t.match(await asked(SIMULATIONS, { from: '2026-02-02', to: '2026-02-01' }), {
      status: 400,
      body: { detail: /the last date is before the first/ },
    })
    t.match(await asked(SIMULATIONS, { from: '2026-01-01', to: '2026-04-04' }), {
      status: 400,
      body: { detail: /92 days/ },
    })
    t.match(await asked(SIMULATIONS, { from: '2026-01-01', to: '2026-04-03' }), { status: 202 })
    t.match(await as('auditor')('/programme-simulations/999999'), { status: 404 })
    await job.run(never)
    t.equal(await job.look(), 'nothing was asked for')
  })

  await t.test('one that is cut off is begun anew; one that is cut off again and again is given up', async (t) => {
    const { simulationId } = (await operator(SIMULATIONS, { body: { from } })).body
    t.equal((await beginSimulation(owner, 0))?.id, simulationId, 'by a process that dies')
    const stopping = AbortSignal.abort(new Error('the switch stops'))
    t.equal(await job.run(stopping), 'bread version 2: waiting')
    t.match(await read(simulationId), { state: 'waiting', attempts: 2, words: 'the switch stops', endedAt: null })
    t.equal(await job.run(never), 'bread version 2: done')
    t.match(await read(simulationId), { state: 'done', attempts: 3, words: null, report: { households: HOUSEHOLDS } })
    const other = (await operator(SIMULATIONS, { body: { from } })).body.simulationId
    t.not(other, simulationId, 'what is done is not what is asked for now')
    await owner.query('update programme_simulation set attempts = 10 where id = $1', [other])
    await job.run(never)
    t.match(await read(other), { state: 'failed', words: /given up after 10 attempts/, report: null })
  })

  await t.test('a draft that is written anew meanwhile fails it, and can be asked about anew', async (t) => {
    const { simulationId } = (await operator(SIMULATIONS, { body: { from } })).body
    t.equal((await draft({ entitlement: { period: 'day', perMember: 6 } })).status, 200)
    const next = (await operator(SIMULATIONS, { body: { from } })).body
    t.not(next.simulationId, simulationId)
    t.equal(await job.run(never), 'bread version 2: failed, bread version 2: done')
    t.match(await read(simulationId), { state: 'failed', words: /written anew/ })
    t.match(await read(next.simulationId), { report: { drawn: { before: loaves, after: loaves } } })
  })

  await t.test('so many may wait', async (t) => {
    await owner.query(
      `insert into programme_simulation (code, version, checksum, from_date, to_date, asked_by)
       select 'bread', 2, 'x', '2020-01-01'::date + n, '2020-02-01', 'test' from generate_series(1, 10) n`,
    )
    t.match(await operator(SIMULATIONS, { body: { from } }), { status: 409, body: { detail: /10 simulations wait/ } })
  })
})
