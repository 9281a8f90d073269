import { createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { acknowledgeStep, judgeAnswers } from '../../src/clearing/delivery/acknowledge-step.ts'
import { acknowledgementReceiver } from '../../src/clearing/delivery/acknowledgement-file.ts'
import { deliverFiles, deliverStep } from '../../src/clearing/delivery/deliver-step.ts'
import { type FileReceivers, pollInboxes } from '../../src/clearing/delivery/inbox.ts'
import type { DeliveryOptions, Inbox } from '../../src/clearing/delivery/options.ts'
import { releasable, releaseFiles } from '../../src/clearing/delivery/release.ts'
import { protectFiles, signStep } from '../../src/clearing/delivery/sign-step.ts'
import { readCertificate } from '../../src/clearing/protection/certificate.ts'
import { decryptFile, encryptFile, verifyFile, writeSignature } from '../../src/clearing/protection/files.ts'
import { makeOwnKey, openKeyRoom } from '../../src/clearing/protection/key-room.ts'
import { deliveryEvents, listDeliveries, resendDelivery } from '../../src/store/clearing/deliver.ts'
import { listFetches } from '../../src/store/clearing/deliver-fetch.ts'
import { endClearingKey, readClearingKeys } from '../../src/store/clearing/deliver-keys.ts'
import { readProtection } from '../../src/store/clearing/deliver-protection.ts'
import { deliveryStanding } from '../../src/store/clearing/deliver-standing.ts'
import { readFile as readRegister } from '../../src/store/clearing/files.ts'
import { withClient } from '../../src/store/database-location.ts'
import { type DeliveryWorld, deliveryWorld } from './delivery-world.ts'

const day = (of: number) => (20_261_100 + of) as CivilDate
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** Keys of a partner of the demo world, as whoever plays it finds them. */
function demoPartner({ options }: DeliveryWorld, partner: string, purpose: 'sign' | 'encrypt') {
  const file = path.join(options.demoFolder, `${partner}.${purpose}`)
  const certificate = readCertificate(readFileSync(`${file}.cert.pem`))
  return { certificate, privateKey: createPrivateKey(readFileSync(`${file}.key.pem`)) }
}

test('two keys are in use at once, so that a rotation loses no file', async (t) => {
  const world = await deliveryWorld(day(1))
  const { client, options, seal, work } = world
  const made = (purpose: 'sign' | 'encrypt') =>
    makeOwnKey(client, seal, {
      purpose,
      name: 'clearing',
      organization: 'Tests',
      validFromMs: work.nowMs() - 1_000,
      days: 365,
      by: 'system:test',
      bits: 2_048,
    })
  const first = await made('sign')
  const ctf = await world.written('SUB', 'NBE-01', Buffer.from('one'))
  const production = {
    ...options,
    isProduction: true,
    destinations: [{ name: 'b', folder: world.root, encrypt: false }],
  }
  await protectFiles(client, production, work)
  const second = await made('sign')
  await t.rejects(made('sign'), { code: 'CONFLICT', message: /retire/ })
  const next = await world.written('SUB', 'NBE-02', Buffer.from('two'))
  await protectFiles(client, production, work)
  t.equal((await readProtection(client, ctf.id))?.signedBy, first.id)
  t.equal((await readProtection(client, next.id))?.signedBy, second.id, 'the newer one signs')
  await endClearingKey(client, first.id, 'retired', 'user:one')
  await t.rejects(endClearingKey(client, first.id, 'retired', 'user:one'), { code: 'CONFLICT' })
  await world.written('CTF', '400000', Buffer.from('three'))
  const outcome = await protectFiles(client, production, work)
  t.match(outcome, { state: 'blocked', words: /no valid certificate of 400000 to encrypt with/ })
  // In production demo keys stop everything.
  await protectFiles(client, options, work)
  await world.written('OUT', 'NBE', Buffer.from('four'))
  t.match(await protectFiles(client, production, work), { state: 'blocked', words: /demo/ })
})

test('the files of a day are signed, delivered and acknowledged, run after run with the same end', async (t) => {
  const world = await deliveryWorld(day(2))
  const { client, options, work, at } = world
  const pan = Buffer.from('4000001234567899'.repeat(20_000))
  const ctf = await world.written('CTF', '400000', pan)
  const sub = await world.written('SUB', 'NBE-01', Buffer.from('subsidies'))
  const man = await world.written('MAN', 'MIZAN', Buffer.from('{}'))
  const context = { ...work, url: world.url, folder: options.folder }
  const signed = await signStep(options).run(context)
  t.same(signed, {
    state: 'done',
    words: '3 of 3 files signed now; the others were before',
    detail: { signed: 3, files: 3 },
  })
  t.notOk(existsSync(at(ctf.name)), 'the clear file with card numbers is gone')
  t.equal(readFileSync(`${at(ctf.name)}.p7m`).indexOf('4000001234567899'), -1)
  const all = () =>
    readdirSync(path.dirname(at(ctf.name))).map((name) => [name, sha256(readFileSync(at(name)))] as const)
  const before = all()
  t.match((await signStep(options).run(context)).words, /^0 of 3/)
  t.same(all(), before, 'a second run leaves every byte')

  const delivered = await deliverStep(options).run(context)
  t.same(delivered.state, 'done', delivered.words)
  const partner = demoPartner(world, '400000', 'encrypt')
  const there = path.join(options.folder, 'delivered', '400000')
  const opened = path.join(world.root, 'opened')
  await decryptFile(path.join(there, `${ctf.name}.p7m`), opened, [partner])
  t.ok(readFileSync(opened).equals(pan), 'the receiver opens it')
  const ours = (await readClearingKeys(client)).filter(({ owner, purpose }) => owner === 'own' && purpose === 'sign')
  const certificates = ours.map(({ certificate }) => readCertificate(certificate))
  await verifyFile(opened, path.join(there, `${ctf.name}.p7s`), certificates, work.nowMs())
  t.same(readdirSync(path.join(options.folder, 'delivered', 'NBE')).sort(), [sub.name, `${sub.name}.p7s`])
  const again = await deliverStep(options).run(context)
  t.equal(again.state, 'done')
  for (const { id } of [ctf, sub, man]) t.equal((await readRegister(client, id)).state, 'delivered')
  t.match(await acknowledgeStep().run(context), { state: 'done', words: 'no answer is expected' })
  t.equal((await listDeliveries(client, { businessDate: '2026-11-02', limit: 10 })).length, 3)
  t.same(await deliveryStanding(client, work.nowMs()).then(({ waiting, failed }) => [waiting, failed]), [0, 0])
})

test('signing bears being cut off at any place', async (t) => {
  const world = await deliveryWorld(day(3))
  const { client, options, work, at } = world
  const bytes = randomBytes(600_000)
  const ctf = await world.written('CTF', '400000', bytes)
  const clear = at(ctf.name)
  await protectFiles(client, options, work)
  const encrypted = readFileSync(`${clear}.p7m`)
  const signature = readFileSync(`${clear}.p7s`)
  const protection = await readProtection(client, ctf.id)
  const back = (state: string, withRow: boolean) =>
    withClient(world.url, async (owner) => {
      await owner.query(`update clearing_file set state = $2 where id = $1`, [ctf.id, state])
      if (!withRow) await owner.query('delete from clearing_protection where file_id = $1', [ctf.id])
    })
  const ends = async (what: string) => {
    t.equal((await protectFiles(client, options, work)).state, 'done', what)
    t.same(readdirSync(path.dirname(clear)).sort(), [`${ctf.name}.p7m`, `${ctf.name}.p7s`], what)
    t.ok(readFileSync(`${clear}.p7s`).equals(signature), what)
    t.equal((await readRegister(client, ctf.id)).state, 'signed', what)
  }
  // Before the state was written; before the clear file went; before the register knew; before the signature stood.
  await back('written', true)
  await ends('cut off before the state')
  writeFileSync(clear, bytes)
  await back('written', true)
  await ends('cut off before the clear file went')
  writeFileSync(clear, bytes)
  await back('written', false)
  await ends('cut off before the register knew')
  t.same(await readProtection(client, ctf.id), protection)
  await back('written', false)
  rmSync(`${clear}.p7s`)
  await ends('cut off before the signature, and the clear file is gone')
  t.ok(readFileSync(`${clear}.p7m`).equals(encrypted), 'what was encrypted once is never encrypted again')
  writeFileSync(clear, bytes)
  await ends('the clear file was built once more')
  // Half an encrypted file cannot stand under its name, but one of other bytes might: it is made anew.
  writeFileSync(`${clear}.p7m`, encrypted.subarray(0, 5_000))
  writeFileSync(clear, bytes)
  await back('written', false)
  await ends('a spoilt encrypted file')
  t.notOk(readFileSync(`${clear}.p7m`).equals(encrypted))
  const altered = await world.written('SUB', 'NBE-01', Buffer.from('subsidies'))
  writeFileSync(at(altered.name), 'subsidieS')
  const outcome = await protectFiles(client, options, work)
  t.match(outcome, { state: 'blocked', words: /UC\.SUB\.NBE-01/ })
})

test('files go out when a second person agrees to these very bytes', async (t) => {
  const world = await deliveryWorld(day(22), { releaseRequired: ['SUB', 'PAY'] })
  const { client, options, work } = world
  await withClient(world.url, (owner) =>
    owner.query(
      `insert into business_day (business_date, state, asked_by, asked_at) values ('2026-11-22', 'closing', 'user:clerk', now())`,
    ),
  )
  const sub = await world.written('SUB', 'NBE-01', Buffer.from('subsidies'))
  const out = await world.written('OUT', 'NBE', Buffer.from('statements'))
  await protectFiles(client, options, work)
  const waiting = await deliverFiles(client, options, work)
  t.same(waiting, {
    state: 'waiting',
    words: '1 files wait to be released by two people: mizan clearing release 2026-11-22',
  })
  t.equal((await readRegister(client, out.id)).state, 'delivered', 'what needs nobody goes at once')
  const { files, digest } = await releasable(client, work.businessDate)
  t.same(
    files.map(({ id }) => id),
    [sub.id],
  )
  const people = (maker: string, checker: string) => ({ maker, checker })
  const refused = (work: Promise<unknown>, code: string) => t.rejects(work, { code })
  await refused(releaseFiles(client, work.businessDate, digest, people('system:root', 'user:clerk')), 'FORBIDDEN')
  await refused(releaseFiles(client, work.businessDate, digest, people('user:two', 'user:two')), 'FORBIDDEN')
  await refused(
    releaseFiles(client, work.businessDate, sha256(Buffer.from('x')), people('system:root', 'user:two')),
    'CONFLICT',
  )
  await releaseFiles(client, work.businessDate, digest, people('system:root', 'user:two'))
  t.equal((await deliverFiles(client, options, work)).state, 'done')
  await refused(releaseFiles(client, work.businessDate, digest, people('system:root', 'user:two')), 'NOT_FOUND')
})

test('a place that does not answer is tried again, and one that refuses is not', async (t) => {
  const blocked = await deliveryWorld(day(5))
  const { client, work, root } = blocked
  const folder = path.join(root, 'bank')
  const destinations = [{ name: 'bank', folder, encrypt: false, acknowledgeWithinMinutes: 30 }]
  const options: DeliveryOptions = { ...blocked.options, destinations }
  // Where the folder should be there is a file.
  writeFileSync(folder, 'not a folder')
  const pay = await blocked.written('PAY', 'NBE', Buffer.from('<pay/>'))
  await protectFiles(client, options, work)
  const [first] = [await deliverFiles(client, options, work)]
  t.match(first, { state: 'waiting', words: /is tried again at 2026-11-22T20:45:01/ })
  t.match(await deliverFiles(client, options, work), { state: 'waiting' })
  const [delivery] = await listDeliveries(client, { limit: 1 })
  t.equal(delivery?.attempts, 1, 'not before its time')
  blocked.later(1_000)
  t.match(await deliverFiles(client, options, work), { words: /20:45:03/ }, 'the wait doubles')
  blocked.later(2_000)
  t.match(await deliverFiles(client, options, work), { state: 'blocked', words: /mizan clearing deliver 2026-11-05/ })
  blocked.later(3_600_000)
  t.match(await deliverFiles(client, options, work), { state: 'blocked' }, 'given up until somebody asks')
  t.equal((await deliveryStanding(client, work.nowMs())).failed, 1)
  rmSync(folder)
  mkdirSync(folder)
  writeFileSync(path.join(folder, pay.name), 'other bytes')
  t.match(await deliverFiles(client, options, { ...work, isAsked: true }), { state: 'blocked', words: /other bytes/ })
  t.equal(readFileSync(path.join(folder, pay.name), 'latin1'), 'other bytes', 'nothing is overwritten')
  rmSync(path.join(folder, pay.name))
  await resendDelivery(client, delivery?.id ?? 0, { actor: 'user:one', reason: 'cleared', nowMs: work.nowMs() })
  t.match(await deliverFiles(client, options, work), { state: 'done' })
  const events = (await deliveryEvents(client, delivery?.id ?? 0)).map(({ event }) => event)
  t.same(events, ['failed', 'failed', 'failed', 'refused', 'resend', 'delivered'])
  t.same(readdirSync(folder).sort(), [pay.name, `${pay.name}.p7s`])
  t.match(await judgeAnswers(client, work), { state: 'waiting', words: `no answer yet for ${pay.name}` })
  blocked.later(31 * 60_000)
  t.match(await judgeAnswers(client, work), { state: 'waiting', words: /no answer in time/ })
  t.equal((await deliveryStanding(client, work.nowMs())).acknowledgementsOverdue, 1)
  t.ok(blocked.logged.includes('clearing_acknowledgement_overdue'))
  const nowhere = { ...options, isProduction: true, destinations: [] }
  t.match(await deliverFiles(client, { ...nowhere, isProduction: true }, work), {
    state: 'blocked',
    words: /no destination/,
  })
})

test('what partners send is opened, verified and handed on once, or refused for its reason', async (t) => {
  const world = await deliveryWorld(day(6))
  const { client, work, root, written } = world
  const place = path.join(root, 'partner')
  const inboxes: Inbox[] = [
    { name: 'scheme', partner: '400000', folder: place, requireSignature: true, remove: true, bytesMax: 10_000_000 },
  ]
  const bank = path.join(root, 'bank')
  const options: DeliveryOptions = {
    ...world.options,
    inboxes,
    destinations: [{ name: 'bank', folder: bank, encrypt: false, acknowledgeWithinMinutes: 30 }],
  }
  const sent = await written('CTF', '400000', Buffer.from('items'))
  await protectFiles(client, options, work)
  await deliverFiles(client, options, work)
  const theirs = demoPartner(world, '400000', 'sign')
  const room = await openKeyRoom(client, { seal: world.seal, nowMs: work.nowMs(), isProduction: false })
  const ourCertificates = room.recipients().map(({ certificate }) => certificate)
  const put = async (name: string, bytes: Uint8Array, { by = theirs, encrypt = false, sign = true } = {}) => {
    const file = path.join(place, name)
    mkdirSync(place, { recursive: true })
    writeFileSync(file, bytes)
    if (sign) await writeSignature(file, sha256(bytes), by)
    if (!encrypt) return
    await encryptFile(file, `${file}.p7m`, { recipients: ourCertificates, expected: sha256(bytes) })
    rmSync(file)
  }
  const taken: string[] = []
  let failures = 1
  const receivers: FileReceivers = {
    ITF: async ({ path: file, name }) => {
      if (failures-- > 0) throw new Error('the database is away')
      taken.push(`${name} ${readFileSync(file, 'latin1')}`)
      return 'taken'
    },
    ACK: acknowledgementReceiver(options, (work) => work(client)),
  }
  const poll = () => pollInboxes(client, options, receivers, work)
  const itf = 'UC.ITF.400000.20261122.1.001'
  await put(itf, Buffer.from('presentments'), { encrypt: true })
  t.same(await poll(), { taken: 0, refused: 0, waiting: 0, failed: 1 }, 'its receiver cannot take it now')
  t.same(await poll(), { taken: 1, refused: 0, waiting: 0, failed: 0 })
  t.same(taken, [`${itf} presentments`])
  const inFolder = (...names: string[]) => path.join(options.folder, 'in', ...names)
  t.same(readdirSync(inFolder('scheme')), [], 'nothing clear is left')
  t.same(readdirSync(inFolder('done', 'scheme')).sort(), [`${itf}.p7m`, `${itf}.p7s`])
  t.same(readdirSync(place), [], 'and it is removed there')

  await put('UC.ITF.400000.20261122.1.002', Buffer.from('clear'))
  const stranger = { ...theirs, privateKey: demoPartner(world, '400000', 'encrypt').privateKey }
  await put('UC.ITF.400000.20261122.1.003', Buffer.from('forged'), { encrypt: true, by: stranger })
  await put('UC.ITF.400000.20261122.1.004', Buffer.from('x'), { encrypt: true })
  const cut = path.join(place, 'UC.ITF.400000.20261122.1.004.p7m')
  writeFileSync(cut, readFileSync(cut).subarray(0, -1))
  await put('report.txt', Buffer.from('what is this'))
  await put('UC.STM.400000.20261122.1.001', Buffer.from('unsigned'), { sign: false })
  const answer = (of: string, digest: Uint8Array, state: string) =>
    Buffer.from(JSON.stringify({ name: of, sha256: Buffer.from(digest).toString('hex'), state }))
  await put('UC.ACK.400000.20261122.1.001', answer(sent.name, sha256(Buffer.from('others')), 'accepted'))
  await put('UC.ACK.400000.20261122.1.002', answer(sent.name, sha256(Buffer.from('items')), 'accepted'))
  await put('UC.ACK.400000.20261122.1.003', answer(sent.name, sha256(Buffer.from('items')), 'rejected'))
  await put('UC.ACK.400000.20261122.1.004', answer('UC.NONE', sha256(Buffer.from('items')), 'accepted'))
  t.same(await poll(), { taken: 1, refused: 7, waiting: 1, failed: 0 })
  const reasons = (await listFetches(client, { state: 'refused', limit: 20 })).map(({ name, reason }) => [name, reason])
  t.same(Object.fromEntries(reasons), {
    'UC.ITF.400000.20261122.1.002': 'not-encrypted',
    'UC.ITF.400000.20261122.1.003.p7m': 'wrong-signature',
    'UC.ITF.400000.20261122.1.004.p7m': 'cut',
    'report.txt': 'bad-input',
    'UC.ACK.400000.20261122.1.001': 'conflict',
    'UC.ACK.400000.20261122.1.003': 'conflict',
    'UC.ACK.400000.20261122.1.004': 'not-found',
  })
  t.equal((await readRegister(client, sent.id)).state, 'acknowledged')
  t.match(await judgeAnswers(client, work), { state: 'done', words: '1 files acknowledged' })
  t.same(readdirSync(inFolder('scheme')), [], 'nothing of the refused is left but what is kept apart')
  await poll()
  t.same(readdirSync(place), ['UC.STM.400000.20261122.1.001'], 'only what has no signature yet')
})
