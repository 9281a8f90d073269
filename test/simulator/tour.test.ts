import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { test } from 'tap'
import { programmeCatalogue } from '../../src/benefit/programme-book.ts'
import { shippedProgrammes } from '../../src/benefit/shipped-programmes.ts'
import { demoCommand } from '../../src/commands/demo.ts'
import { isAsExpected, playTour, type TourStep } from '../../src/simulator/tour.ts'
import { commandRunner } from '../support/command.ts'
import { expectSoundLedger } from '../support/exchange-cases.ts'
import { MASTER_KEY, startTestSwitch, type TestSwitch } from '../support/switch.ts'

const programmes = programmeCatalogue(shippedProgrammes)
const cli = path.resolve(import.meta.dirname, '..', '..', 'src', 'cli.ts')
const exec = promisify(execFile)

async function play(t: Test, world: TestSwitch): Promise<TourStep[]> {
  const { pos, atm, visa, clock } = world
  const steps: TourStep[] = []
  for await (const step of playTour({ world: world.world, programmes, clock, pos, atm, visa })) {
    t.ok(isAsExpected(step), `${step.title}: ${step.answer.code}`)
    steps.push(step)
  }
  return steps
}

test('the tour', async (t) => {
  for (const [name, at, lanes] of [
    ['in the middle of a month', '2026-11-11T12:00:00+02:00', 1],
    ['on the last day of a month, a minute before midnight', '2026-11-30T23:59:00+02:00', 1],
    ['on leap day', '2028-02-29T08:00:00+02:00', 1],
    ['with three lanes', '2026-11-11T12:00:00+02:00', 3],
  ] as const) {
    await t.test(name, async (t) => {
      const world = await startTestSwitch(t, { at, households: 20, config: { lanes: { count: lanes } } })
      const cards = new Set<string>()
      for (let round = 1; round <= 2; round++) {
        const steps = await play(t, world)
        t.equal(steps.length, 21)
        cards.add(steps.find((step) => step.quantity !== undefined)?.pan ?? '')
        const proven = steps.filter(({ check }) => check?.what.includes("the card knows its issuer's answer") === true)
        t.equal(proven.length, 14, 'approvals and refusals of genuine chips prove themselves to the card')
        const refusals = steps.filter(({ expected }) => expected !== 'approved')
        t.same(
          refusals.map(({ answer }) => answer.code),
          ['57', '55', '82'],
        )
      }
      t.equal(cards.size, 2, 'each round finds a household with bread of today')
      await expectSoundLedger(t, world)
    })
  }

  await t.test('a world without bread left says so', async (t) => {
    const world = await startTestSwitch(t, { households: 7 })
    await play(t, world)
    await t.rejects(play(t, world), { code: 'NOT_FOUND', message: /no household of the demo world has bread/ })
  })
})

test('mizan demo', async (t) => {
  const world = await startTestSwitch(t, { households: 20, at: new Date().toISOString() })
  const env = { ...process.env, DATABASE_URL: world.databaseUrl, MIZAN_VAR: world.varDir, MIZAN_LOG_LEVEL: 'silent' }
  // The demo runs by the machine's clock, and its fingerprint reader signs when.
  const setClock = () => {
    world.clock.nowMs = Date.now()
  }
  const run = commandRunner(env)
  const demo = (...args: string[]) => {
    setClock()
    return run(demoCommand, args)
  }

  await t.test('prints each exchange, masked, and the entries', async (t) => {
    setClock()
    const { stdout, stderr } = await exec(process.execPath, [cli, 'demo'], { env })
    t.equal(stderr, '')
    t.match(stdout, 'every answer is the expected one')
    t.match(stdout, /57 subsidy not cash {2}\d+\.\d ms/)
    t.match(stdout, /55 wrong pin {2}\d+\.\d ms/)
    t.match(stdout, /82 card authentication failed {2}\d+\.\d ms/)
    t.match(stdout, /checked: the card knows its issuer's answer \(ATC \d+\)/)
    t.match(stdout, /coPayment +postal account +\d+ {2}-25\.00 EGP/)
    t.match(stdout, /cashWithdrawal +postal account +\d+ {2}-200\.00 EGP/)
    t.match(stdout, 'subsidy value never leaves as cash')
    for (const { card } of world.world.households) t.notOk(stdout.includes(card.pan))
  })
  await t.test('--json prints one object', async (t) => {
    const { out, status, errors } = await demo('--json', '--var', world.varDir)
    t.same([status, errors], [0, ''])
    const report = JSON.parse(out)
    t.equal(report.passed, true)
    t.equal(report.steps.length, 21)
    t.match(report.steps[9], { responseCode: '57', meaning: 'subsidy not cash', asExpected: true })
    t.ok(report.authorizations.length >= 10)
    for (const { card } of world.world.households) t.notOk(out.includes(card.pan))
  })
  await t.test('what stays held is in a file of the network, which clears it', async (t) => {
    const receiving = { env: { ...env, MIZAN_MASTER_KEY: MASTER_KEY } }
    const { stdout } = await exec(process.execPath, [cli, 'clearing', 'receive', '--json'], receiving)
    const files = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(files, [
      { transactions: 2, grossPiasters: '4250', states: { matched: { items: 1 }, noted: { items: 1 } } },
      { transactions: 2, grossPiasters: '4250', states: { matched: { items: 1 }, noted: { items: 1 } } },
    ])
    const { rows } = await world.client.query("select rule, outcome from network_item where state = 'matched'")
    t.same(
      rows,
      [0, 1].map(() => ({ rule: 'card-rrn-terminal', outcome: 'exact' })),
    )
    await expectSoundLedger(t, world)
  })
  await t.test('an answer that is not the expected one fails it', async (t) => {
    await world.client.query("update service_rollout set live_from = '2099-01-01' where service = 'ration'")
    await world.restart()
    const failed = await demo('--json')
    t.equal(failed.status, 1)
    const report = JSON.parse(failed.out)
    t.match(report, { passed: false })
    t.match(report.steps[5], {
      responseCode: '57',
      meaning: 'subsidy not cash or not for this card or service not live or household suspended',
      asExpected: false,
    })
  })
  await t.test('without a switch it says what to do', async (t) => {
    const refused = async (message: RegExp, ...args: string[]) =>
      t.match(await demo(...args), { status: 1, out: '', errors: message })
    await refused(/connect-failed .*is a switch running there/, '--host', '127.0.0.3')
    rmSync(path.join(world.varDir, 'run', 'listeners.json'))
    await refused(/no switch runs in .*npm start/)
    await refused(/unknown option/, '--nonsense')
  })
})
