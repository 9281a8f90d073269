import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import { pollInboxes } from '../../src/clearing/delivery/inbox.ts'
import { loadConfig } from '../../src/config/config.ts'
import { SimulatedBank } from '../../src/simulator/bank.ts'
import type { BankFault } from '../../src/simulator/bank-faults.ts'
import { listFetches } from '../../src/store/clearing/deliver-fetch.ts'
import { deliveryOptions, fileReceivers } from '../../src/switch-delivery.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import type { BankWorld } from './bank-world.ts'

/** What banks put into the folders where files of partners are fetched. */
export async function inboxCases(t: Test, world: BankWorld): Promise<void> {
  const { owner, client, folder, bank, otherBank, stateFolder, nowMs, url, instruct, nextDay, statesOf, sound } = world
  const place = path.join(folder, 'place', bank.code)
  const otherPlace = path.join(folder, 'place', otherBank.code)
  for (const one of [place, otherPlace]) mkdirSync(one, { recursive: true })
  const file = path.join(folder, 'inbox.json')
  const inbox = { type: 'STM', requireSignature: false }
  const inboxes = [
    { ...inbox, name: 'ours', partner: bank.code, folder: place },
    { ...inbox, name: 'others', partner: otherBank.code, folder: otherPlace },
  ]
  writeFileSync(file, JSON.stringify({ varDir: folder, log: { level: 'silent' }, clearing: { delivery: { inboxes } } }))
  const config = loadConfig({ env: { DATABASE_URL: url, MIZAN_MASTER_KEY: '5a'.repeat(32) }, file })
  const delivery = deliveryOptions(config)
  const receivers = fileReceivers(delivery, { config, url, nowMs, panIndexOf: (pan) => pan })
  const logged: string[] = []
  const stream = { write: (line: string) => void logged.push((JSON.parse(line) as { event: string }).event) }
  const log = pino({ level: 'info' }, stream) as unknown as Logger
  const signal = new AbortController().signal
  const poll = () => pollInboxes(client, delivery, receivers, { signal, nowMs, log })
  const simulated = (outFolder: string, faults: readonly BankFault[] = []) =>
    new SimulatedBank({ ...bank, stateFolder, outFolder, faults, nowMs })
  const refusals = async () =>
    Object.fromEntries((await listFetches(client, { state: 'refused', limit: 20 })).map((one) => [one.name, one.words]))

  await t.test('statement, answers and returns of an inbox are taken', async (t) => {
    const day = nextDay()
    const { ids, file } = await instruct(3)
    await simulated(place).take(file)
    t.same(await poll(), { taken: 1, refused: 0, waiting: 0, failed: 0 })
    t.same(await statesOf(ids), ['accepted', 'accepted', 'accepted'])
    await simulated(place, ['returned-payment']).endDay(day)
    t.same(await poll(), { taken: 3, refused: 0, waiting: 0, failed: 0 }, 'camt.053, camt.054, pacs.004')
    t.same((await statesOf(ids)).toSorted(), ['returned', 'settled', 'settled'])
    t.equal(logged.filter((event) => event === 'bank_file_taken').length, 4)
    t.same(await poll(), { taken: 0, refused: 0, waiting: 0, failed: 0 })
    const kept = readdirSync(path.join(delivery.folder, 'in', 'done'))
    t.equal(kept.filter((name) => /^UC\.(STM|STS|RET)\.STBA\./.test(name)).length, 4)
    await sound(t)
  })

  await t.test('a file that was given again because the fetch was cut off is answered as it was', async (t) => {
    const name = `${bank.code}.camt.053.${world.today()}.xml`
    const given = { path: path.join(place, name), name, type: 'STM' as const, partner: bank.code, log, signal }
    t.match(await receivers.STM?.(given), /was taken before/)
  })

  await t.test('what is repeated, broken or not theirs is kept apart, with the reason', async (t) => {
    const name = `${bank.code}.camt.053.${world.today()}.xml`
    const text = readFileSync(path.join(place, name), 'utf8')
    copyFileSync(path.join(place, name), path.join(place, 'again.xml'))
    writeFileSync(path.join(place, 'broken.xml'), text.slice(0, text.length / 2))
    writeFileSync(path.join(place, 'mt940.xml'), ':20:STARTUMSE\r\n:25:1234\r\n')
    copyFileSync(path.join(place, name), path.join(otherPlace, 'foreign.xml'))
    writeFileSync(path.join(otherPlace, 'statement.xml'), text.replace('<MsgId>', '<MsgId>X'))
    const { ids, file } = await instruct(1)
    const [answer = ''] = (await simulated(path.join(folder, 'side')).take(file))?.files ?? []
    renameSync(answer, path.join(otherPlace, 'answer.xml'))
    t.same(await poll(), { taken: 0, refused: 6, waiting: 0, failed: 0 })
    const found = await refusals()
    t.match(found['again.xml'], new RegExp(`came as ${name}`))
    t.match(found['broken.xml'], /broken\.xml:\d+:\d+: /)
    t.match(found['mt940.xml'], /a SWIFT MT message/)
    t.match(found['foreign.xml'], /came before/)
    t.match(found['statement.xml'], new RegExp(`${otherBank.code} tells of what is at bank ${bank.number}`))
    t.match(found['answer.xml'], new RegExp(`${otherBank.code} tells of what is at bank ${bank.number}`))
    t.same(await statesOf(ids), ['released'], 'another bank has no say in payments')
    t.same(readdirSync(path.join(delivery.folder, 'in', 'rejected', 'ours')).sort(), [
      'again.xml',
      'broken.xml',
      'mt940.xml',
    ])
    // The right bank tells the same.
    renameSync(path.join(otherPlace, 'answer.xml'), path.join(place, 'answer.xml'))
    t.match(await poll(), { taken: 1, refused: 0 })
    t.same(await statesOf(ids), ['accepted'])
    await sound(t)
  })

  await t.test('a statement that came too early waits for the one before, and is one refusal', async (t) => {
    const side = path.join(folder, 'side')
    const first = await simulated(side).endDay(nextDay())
    await simulated(place).endDay(nextDay())
    t.match(await poll(), { taken: 1, failed: 1 }, 'the notification is taken')
    t.match(await poll(), { taken: 0, failed: 1 })
    const gaps = () =>
      owner.query(`select repeats from bank_file where cause = 'gap' and received_by = 'job clearing-inbox'`)
    t.same((await gaps()).rows, [{ repeats: 1 }])
    for (const one of first) renameSync(one, path.join(place, path.basename(one)))
    t.same(await poll(), { taken: 3, refused: 0, waiting: 0, failed: 0 })
    await sound(t)
  })
}
