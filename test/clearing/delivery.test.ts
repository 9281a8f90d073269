import { createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Registry } from 'prom-client'
import { test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { acknowledgeFile, acknowledgeStep, judgeAnswers } from '../../src/clearing/delivery/acknowledge-step.ts'
import { acknowledgementReceiver } from '../../src/clearing/delivery/acknowledgement-file.ts'
import { deliverDue, deliverFiles, deliverStep } from '../../src/clearing/delivery/deliver-step.ts'
import { folderPlace } from '../../src/clearing/delivery/folder-place.ts'
import { type FileReceivers, pollInboxes } from '../../src/clearing/delivery/inbox.ts'
import type { DeliveryOptions, Inbox } from '../../src/clearing/delivery/options.ts'
import { releasable, releaseFiles } from '../../src/clearing/delivery/release.ts'
import { resendFile } from '../../src/clearing/delivery/resend.ts'
import { signAgain } from '../../src/clearing/delivery/sign-again.ts'
import { protectFiles, signStep } from '../../src/clearing/delivery/sign-step.ts'
import { lostParts } from '../../src/clearing/outgoing/lost-file.ts'
import { readCertificate } from '../../src/clearing/protection/certificate.ts'
import { decryptFile, encryptFile, verifyFile, writeSignature } from '../../src/clearing/protection/files.ts'
import { makeOwnKey, openKeyRoom } from '../../src/clearing/protection/key-room.ts'
import { clearingInboxJob } from '../../src/jobs/clearing-inbox-job.ts'
import { deliveryEvents, listDeliveries } from '../../src/store/clearing/deliver.ts'
import { listFetches } from '../../src/store/clearing/deliver-fetch.ts'
import { endClearingKey, readClearingKeys } from '../../src/store/clearing/deliver-keys.ts'
import { readProtection, replaceSignature } from '../../src/store/clearing/deliver-protection.ts'
import { deliveryStanding } from '../../src/store/clearing/deliver-standing.ts'
import { fileEvents } from '../../src/store/clearing/file-events.ts'
import { moveFile, readFile as readRegister } from '../../src/store/clearing/files.ts'
import { withClient } from '../../src/store/database-location.ts'
import { createDeliveryMetrics } from '../../src/telemetry/delivery-metrics.ts'
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
  await resendFile(client, pay.id, { actor: 'user:one', reason: 'cleared', nowMs: work.nowMs() })
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

/** A partner's place that is looked at, and a receiver of its files. */
async function partnerPlace(world: DeliveryWorld, name: string, change: Partial<Inbox> = {}) {
  const { client, options, work, root, seal } = world
  const folder = path.join(root, name)
  mkdirSync(folder, { recursive: true })
  const inbox = {
    name,
    partner: '400000',
    folder,
    requireSignature: false,
    remove: false,
    bytesMax: 100_000,
    ...change,
  }
  await world.written('CTF', '400000', Buffer.from(name))
  await protectFiles(client, options, work)
  const room = await openKeyRoom(client, { seal, nowMs: work.nowMs(), isProduction: false })
  const ours = room.recipients().map(({ certificate }) => certificate)
  const taken: string[] = []
  const take: FileReceivers[keyof FileReceivers] = async ({ path: file, name: as }) => {
    taken.push(`${as} ${readFileSync(file, 'latin1')}`)
    return 'taken'
  }
  let receivers: FileReceivers = { ITF: take, STM: take }
  const at = (file: string) => path.join(folder, file)
  return {
    inbox,
    folder,
    taken,
    at,
    /** Puts a file there, written at a second of its own. */
    put(file: string, bytes: Uint8Array, second = 0) {
      writeFileSync(at(file), bytes)
      utimesSync(at(file), 1_700_000_000 + second, 1_700_000_000 + second)
    },
    async encrypt(file: string, bytes: Uint8Array, cipher: 'aes-256-gcm' | 'aes-256-cbc' = 'aes-256-gcm') {
      writeFileSync(at(file), bytes)
      await encryptFile(at(file), at(`${file}.p7m`), { recipients: ours, cipher, expected: sha256(bytes) })
      rmSync(at(file))
    },
    receive(by: FileReceivers) {
      receivers = by
    },
    poll: () => pollInboxes(client, { ...options, inboxes: [inbox] }, receivers, work),
    reasons: async () =>
      (await listFetches(client, { state: 'refused', limit: 100 }))
        .filter(({ source }) => source === name)
        .map((one) => [one.name, one.reason]),
    here: (...names: string[]) => readdirSync(path.join(options.folder, 'in', ...names, name)).sort(),
  }
}

test('what a delivery that was cut off left in a folder goes with the next one', async (t) => {
  const from = t.testdir({ file: 'bytes' })
  const to = path.join(from, 'to')
  const place = folderPlace(to)
  const bytes = Buffer.from('bytes')
  const put = () =>
    place.put(path.join(from, 'file'), 'file', { bytes: 5, sha256: sha256(bytes) }, new AbortController().signal)
  t.equal(await put(), 'delivered')
  // It died between giving the name and taking away the part.
  writeFileSync(path.join(to, 'file.part'), bytes)
  t.equal(await put(), 'was-there')
  t.same(readdirSync(to), ['file'])
})

test('a file is known by its bytes, whatever it is called and whenever it was put there', async (t) => {
  const world = await deliveryWorld(day(9))
  const place = await partnerPlace(world, 'known')
  const [one, two] = ['UC.STM.NBE.20261122.1.001', 'UC.STM.NBE.20261122.1.002']
  place.put(one, Buffer.from('first'))
  t.match(await place.poll(), { taken: 1 })
  t.match(await place.poll(), { taken: 0, refused: 0, waiting: 0, failed: 0 }, 'it is left there and known')
  place.put(one, Buffer.from('other'), 1)
  t.match(await place.poll(), { taken: 1 }, 'replaced by another one of the same size')
  t.same(place.taken, [`${one} first`, `${one} other`])
  place.put(one, Buffer.from('first'), 2)
  t.match(await place.poll(), { taken: 0, refused: 0 }, 'what was taken once is not taken again')
  t.match(await place.poll(), { taken: 0, refused: 0 })
  place.put(two, Buffer.from('other'))
  t.match(await place.poll(), { taken: 0, refused: 1 }, 'nor under another name')
  t.same(await place.reasons(), [[two, 'repeated']])
  await place.encrypt('UC.STM.NBE.20261122.1.003', Buffer.from('other'))
  t.match(await place.poll(), { taken: 0, refused: 1 }, 'nor encrypted')
  t.same(place.here('done').length, 2, 'both that were taken are kept')
  t.same(place.here(), [])
})

test('one file that cannot be taken holds up no other', async (t) => {
  const world = await deliveryWorld(day(10))
  const place = await partnerPlace(world, 'held', { remove: true })
  place.put('UC.STM.A.1', Buffer.alloc(100_001))
  place.put('UC.STM.B.1', Buffer.from('b'))
  place.put('UC.STM.B.1.p7s', Buffer.alloc(70_000))
  place.put('UC.STM.C.1', Buffer.from('c'))
  t.match(await place.poll(), { taken: 1, refused: 2, failed: 0 })
  t.same(Object.fromEntries(await place.reasons()), { 'UC.STM.A.1': 'too-large', 'UC.STM.B.1': 'bad-input' })
  t.same(place.taken, ['UC.STM.C.1 c'])
  t.same(readdirSync(place.folder), ['UC.STM.A.1'], 'of what is too large there is no copy here: it stays')
  t.match(await place.poll(), { taken: 0, refused: 0, waiting: 0, failed: 0 })
  await place.encrypt('UC.STM.D.1', Buffer.from('d'), 'aes-256-cbc')
  t.match(await place.poll(), { refused: 1 })
  t.same((await place.reasons())[0], ['UC.STM.D.1.p7m', 'no-signature'], 'AES-CBC alone vouches for nothing')
})

test('what was fetched is handed on and cleared up, whatever becomes of it there and whatever is cut off here', async (t) => {
  const world = await deliveryWorld(day(11))
  const place = await partnerPlace(world, 'gone')
  const failing = async () => {
    throw new Error('the database is away')
  }
  const [one, two] = ['UC.ITF.400000.1', 'UC.ITF.400000.2']
  await place.encrypt(one, Buffer.from('one'))
  place.receive({})
  t.match(await place.poll(), { waiting: 1 })
  t.same(place.here(), [], 'what nobody takes is not fetched: it would lie here in the clear')
  place.receive({ ITF: failing })
  t.match(await place.poll(), { failed: 1 })
  rmSync(place.at(`${one}.p7m`))
  const kept: string[] = []
  const take = async ({ path: file }: { path: string }) => {
    kept.push(readFileSync(file, 'latin1'))
    return 'taken'
  }
  place.receive({ ITF: take })
  t.match(await place.poll(), { taken: 1, failed: 0 }, 'it is here, though it is gone there')
  t.same([kept, place.here(), place.here('done')], [['one'], [], [`${one}.p7m`]])

  // Cut off after the receiver had it, and before the clear file went.
  await place.encrypt(two, Buffer.from('two'))
  const raw = readFileSync(place.at(`${two}.p7m`))
  t.match(await place.poll(), { taken: 1 })
  const arrived = path.join(world.options.folder, 'in', 'gone')
  const left = () => {
    writeFileSync(path.join(arrived, `.${two}.p7m.fetched`), raw)
    writeFileSync(path.join(arrived, two), 'two')
  }
  left()
  t.match(await place.poll(), { taken: 0 })
  t.same([place.here(), place.here('done')], [[], [`${one}.p7m`, `${two}.p7m`]])
  // Cut off while it was fetched and opened, and gone there since.
  rmSync(place.at(`${two}.p7m`))
  writeFileSync(path.join(arrived, '.UC.ITF.400000.3.p7m.fetched'), 'half')
  writeFileSync(path.join(arrived, '.UC.ITF.400000.3.tmp'), 'clear')
  t.match(await place.poll(), { taken: 0, refused: 0, failed: 0 })
  t.same([place.here(), place.here('done')], [[], [`${one}.p7m`, `${two}.p7m`]], 'nothing clear is left')
})

test('a refused file is looked at again when it is put there again, and not under a retired key', async (t) => {
  const world = await deliveryWorld(day(12))
  const place = await partnerPlace(world, 'again', { requireSignature: true })
  const name = 'UC.STM.NBE.20261122.1.009'
  place.put(name, Buffer.from('nine'))
  const stranger = {
    ...demoPartner(world, '400000', 'sign'),
    privateKey: demoPartner(world, '400000', 'encrypt').privateKey,
  }
  await writeSignature(place.at(name), sha256(Buffer.from('nine')), stranger)
  t.match(await place.poll(), { refused: 1 })
  t.match(await place.poll(), { refused: 0 }, 'once')
  // The partner mends its signature alone.
  await writeSignature(place.at(name), sha256(Buffer.from('nine')), demoPartner(world, '400000', 'sign'))
  t.match(await place.poll(), { taken: 1 })
  t.same(await place.reasons(), [])

  const { client } = world
  const keys = await readClearingKeys(client)
  const old = keys.find((key) => key.owner === 'own' && key.purpose === 'encrypt' && key.status === 'active')
  await place.encrypt('UC.ITF.400000.7', Buffer.from('seven'))
  await writeSignature(place.at('UC.ITF.400000.7'), sha256(Buffer.from('seven')), demoPartner(world, '400000', 'sign'))
  await endClearingKey(client, old?.id ?? 0, 'retired', 'user:one')
  t.match(await place.poll(), { refused: 1 })
  t.same(await place.reasons(), [['UC.ITF.400000.7.p7m', 'not-for-us']])
})

test('a file that is asked for once more really goes out again, whatever its receiver had said', async (t) => {
  const world = await deliveryWorld(day(7))
  const { client, work, root, written } = world
  const folder = path.join(root, 'scheme')
  const destinations = [{ name: 'scheme', folder, encrypt: false, acknowledgeWithinMinutes: 30 }]
  const options: DeliveryOptions = { ...world.options, destinations }
  const ctf = await written('CTF', '400000', Buffer.from('items'))
  const by = { actor: 'user:one', reason: 'they lost it', nowMs: work.nowMs() }
  await t.rejects(resendFile(client, ctf.id, by), { code: 'NOT_FOUND', message: /not given to delivery/ })
  await protectFiles(client, options, work)
  await deliverFiles(client, options, work)
  const said = (state: 'accepted' | 'rejected', source: string) =>
    acknowledgeFile(client, { fileId: ctf.id, name: ctf.name, state, source, reason: 'full' }, work.log)
  await said('rejected', 'first')
  t.match(await judgeAnswers(client, work), { state: 'blocked', words: /full\); .*mizan clearing resend/ })
  await t.rejects(said('accepted', 'second'), { code: 'CONFLICT' })
  // They took it out of the folder.
  rmSync(folder, { recursive: true })
  await resendFile(client, ctf.id, by)
  t.match(await judgeAnswers(client, work), { state: 'waiting', words: `to be delivered once more: ${ctf.name}` })
  // The day is over: no step of it runs again.
  t.match(await deliverDue(client, options, work), [{ state: 'done' }])
  t.same(readdirSync(folder).sort(), [`${ctf.name}.p7m`, `${ctf.name}.p7s`], 'it is there again')
  t.match(await judgeAnswers(client, work), { state: 'waiting', words: `no answer yet for ${ctf.name}` })
  await said('accepted', 'second')
  t.match(await judgeAnswers(client, work), { state: 'done' })
  t.equal((await readRegister(client, ctf.id)).state, 'acknowledged')
  const actions = (await fileEvents(client, ctf.id)).map(({ action }) => action)
  t.same(actions.slice(-4), ['rejected', 'resend', 'delivered', 'acknowledged'])
  t.same(await deliverDue(client, options, work), [], 'nothing waits any more')

  // One that another takes the place of goes nowhere, and nobody waits for it.
  const ours = await written('OUT', 'NBE', Buffer.from('statements'))
  await protectFiles(client, options, work)
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'not a folder')
  await deliverFiles(client, options, work)
  t.equal((await deliveryStanding(client, work.nowMs())).waiting, 1)
  const corrected = { from: ['released'], to: 'superseded', action: 'superseded', actor: 'user:one' } as const
  await moveFile(client, ours.id, corrected)
  world.later(3_600_000)
  await deliverDue(client, options, work)
  t.equal((await deliveryStanding(client, work.nowMs())).waiting, 0)
  await t.rejects(resendFile(client, ours.id, by), { code: 'CONFLICT', message: /took the place/ })
  rmSync(folder)

  // Where it goes now is another place: what was delivered stays done, and goes there when it is asked for.
  const elsewhere = path.join(root, 'elsewhere')
  const moved = { ...options, destinations: [{ name: 'elsewhere', folder: elsewhere, encrypt: false }] }
  await deliverFiles(client, moved, { ...work, isAsked: true })
  t.notOk(existsSync(elsewhere), 'not by itself')
  await resendFile(client, ctf.id, by)
  await deliverFiles(client, moved, work)
  t.same(readdirSync(elsewhere).sort(), [`${ctf.name}.p7m`, `${ctf.name}.p7s`])
  const states = (await listDeliveries(client, { fileId: ctf.id, limit: 10 })).map((one) => [
    one.destination,
    one.state,
  ])
  t.same(states, [
    ['elsewhere', 'delivered'],
    ['scheme', 'dropped'],
  ])
})

test('the job delivers what is to be sent again when no step of the day runs any more', async (t) => {
  const world = await deliveryWorld(day(13))
  const { client, work, options, written, url } = world
  const out = await written('OUT', 'QNB', Buffer.from('statements'))
  await protectFiles(client, options, work)
  await deliverFiles(client, options, work)
  const there = path.join(options.folder, 'delivered', 'QNB', out.name)
  rmSync(there)
  await resendFile(client, out.id, { actor: 'user:one', reason: 'they lost it', nowMs: work.nowMs() })
  const registry = new Registry()
  const metrics = createDeliveryMetrics(registry)
  const { log, nowMs, signal } = work
  const job = clearingInboxJob({ url, delivery: options, receivers: {}, metrics, nowMs, log })
  const idle = clearingInboxJob({ url, delivery: { ...options, inboxes: [] }, receivers: {}, metrics, nowMs, log })
  t.equal(await idle.look(), undefined, 'it is wanted')
  t.match(await job.run(signal), /^0 files taken, .*; 1 of 1 files delivered$/)
  t.equal(readFileSync(there, 'latin1'), 'statements')
  t.match(await registry.metrics(), /mizan_clearing_deliveries_waiting 0/)
  t.match(await job.run(signal), /wait$/, 'once')
  metrics.waiting.set(7)
  t.match(await idle.look(), /nothing is to be delivered/)
  t.match(await registry.metrics(), /mizan_clearing_deliveries_waiting 0/, 'a look says how delivery stands, too')
  const inboxes = [
    { name: 'bank', folder: world.root, partner: 'QNB', requireSignature: false, remove: false, bytesMax: 1 },
  ]
  const fetching = clearingInboxJob({ url, delivery: { ...options, inboxes }, receivers: {}, metrics, nowMs, log })
  t.equal(await fetching.look(), undefined, 'places of partners are looked at each time')
})

test('half a file is not left at a place', async (t) => {
  const world = await deliveryWorld(day(14))
  const folder = path.join(world.root, 'half')
  const file = path.join(world.root, 'changing')
  writeFileSync(file, 'now')
  const before = { bytes: 6, sha256: sha256(Buffer.from('before')) }
  const put = folderPlace(folder).put(file, 'UC.OUT.1', before, world.work.signal)
  await t.rejects(put, { message: /changed while it was copied/ })
  t.same(readdirSync(folder), [])
})

test('a place that does not answer is asked once in a round, not once for each file', async (t) => {
  const world = await deliveryWorld(day(8))
  const { client, work, root, written } = world
  const folder = path.join(root, 'away')
  const options = { ...world.options, destinations: [{ name: 'away', folder, encrypt: false }] }
  writeFileSync(folder, 'not a folder')
  const files = [await written('OUT', 'NBE', Buffer.from('1')), await written('OUT', 'STBA', Buffer.from('2'))]
  await protectFiles(client, options, work)
  t.match(await deliverFiles(client, options, work), {
    state: 'waiting',
    words: /is tried again at .*; .*not tried now/,
  })
  rmSync(folder)
  const encrypting = { ...options, destinations: [{ name: 'away', folder, encrypt: true }] }
  t.match(await deliverFiles(client, encrypting, { ...work, isAsked: true }), {
    state: 'blocked',
    words: /signed in the clear/,
  })
  t.notOk(existsSync(folder), 'nothing goes out in the clear where it should be encrypted')
  const attempts = await Promise.all(files.map(({ id }) => listDeliveries(client, { fileId: id, limit: 1 })))
  t.same(attempts.map(([one]) => one?.attempts).sort(), [1, 2])
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
  const reasons = (await listFetches(client, { state: 'refused', limit: 20 }))
    .filter(({ source }) => source === 'scheme')
    .map(({ name, reason }) => [name, reason])
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

test('what is lost on the disk after signing is named with the way that helps', async (t) => {
  const world = await deliveryWorld(day(26))
  const { client, options, work, at } = world
  const sub = await world.written('SUB', 'NBE-01', Buffer.from('subsidies of a day'))
  const pay = await world.written('PAY', 'NBE', Buffer.from('<pay/>'))
  const ctf = await world.written('CTF', '400000', Buffer.from('4000001234567899'))
  t.equal((await protectFiles(client, options, work)).state, 'done')
  const content = readFileSync(at(sub.name))
  const lost = async ({ id }: typeof sub) =>
    (await lostParts(client, options.folder, await readRegister(client, id))).map(({ words }) => words).join()
  for (const file of [sub, pay, ctf]) t.equal(await lost(file), '', 'all is there')

  const signature = `${at(sub.name)}.p7s`
  const before = readFileSync(signature)
  for (const harm of [() => rmSync(signature), () => writeFileSync(signature, 'x')]) {
    harm()
    t.match(
      await lost(sub),
      /\.p7s (is not there|was changed .*): mizan clearing deliver 2026-11-26 signs the same bytes/,
    )
    t.equal((await protectFiles(client, options, work)).state, 'done')
    t.ok(readFileSync(signature).equals(before), 'the same key and bytes give the same signature')
  }
  const deliver = async () => (await deliverFiles(client, options, { ...work, isAsked: true })).words
  rmSync(at(sub.name))
  t.match(await deliver(), /UC\.SUB.* no such file .*: mizan clearing build 2026-11-26 writes it again/)
  writeFileSync(at(sub.name), 'altered')
  t.match(
    await deliver(),
    /UC\.SUB.* is not the file that was protected: mizan clearing build 2026-11-26 writes it again/,
  )
  writeFileSync(at(sub.name), content)
  rmSync(at(pay.name))
  const encrypted = `${at(ctf.name)}.p7m`
  rmSync(encrypted, { force: true })
  t.match(await lost(pay), /is not there: mizan settlement run 2026-11-26 writes it again/)
  t.match(
    await lost(ctf),
    /\.p7m is not there: it cannot be encrypted to the same bytes: .*mizan clearing correct UC\.CTF/,
  )
  writeFileSync(at(pay.name), '<pay/>')
  t.match(await lost(pay), '')
})

test('what was signed with a key that is given up does not go out until it is signed again', async (t) => {
  const world = await deliveryWorld(day(21))
  const { client, seal, work, at } = world
  const folder = path.join(world.root, 'given-up')
  const options = { ...world.options, destinations: [{ name: 'bank', folder, encrypt: false }] }
  const sub = await world.written('SUB', 'NBE-01', Buffer.from('one'))
  const ctf = await world.written('CTF', '400000', randomBytes(1_000))
  await protectFiles(client, options, work)
  const before = (await readProtection(client, sub.id))?.signedBy ?? 0
  const by = { actor: 'user:one', reason: 'key lost', nowMs: work.nowMs() }
  await t.rejects(signAgain(client, options, sub.id, by), { code: 'CONFLICT', message: /which is in use/ })
  const planted = { fileId: sub.id, signatureSha256: Buffer.alloc(32), signedBy: before }
  await t.rejects(replaceSignature(client, planted), /keeps what protects it/)
  for (const { id, owner, purpose, status } of await readClearingKeys(client)) {
    if (owner === 'own' && purpose === 'sign' && status !== 'revoked')
      await endClearingKey(client, id, 'revoked', 'user:one')
  }
  const blocked = await deliverFiles(client, options, work)
  t.match(blocked, {
    state: 'blocked',
    words: /signed with key \d+, which was revoked since: mizan clearing sign-again/,
  })
  t.notOk(existsSync(folder), 'nothing of it went out')
  await t.rejects(signAgain(client, options, sub.id, by), { code: 'CRYPTO_REFUSED' })
  const facts = { name: 'clearing', organization: 'Tests', validFromMs: work.nowMs() - 1_000, days: 365, bits: 2_048 }
  const next = await makeOwnKey(client, seal, { ...facts, purpose: 'sign', by: 'system:test' })
  for (const { id } of [sub, ctf]) t.match(await signAgain(client, options, id, by), { before, now: next.id })
  t.match((await fileEvents(client, sub.id)).at(-1), { action: 'signed-again', detail: { before, key: next.id } })
  t.match(await deliverFiles(client, options, { ...work, isAsked: true }), { state: 'done' })
  const key = readCertificate(next.certificate)
  await verifyFile(at(sub.name), path.join(folder, `${sub.name}.p7s`), [key], work.nowMs())
  await t.rejects(signAgain(client, options, sub.id, by), { code: 'CONFLICT', message: /is delivered/ })

  // The receiver's own key is lost: what only it could read, others can.
  const theirs = (await readClearingKeys(client)).find((one) => one.owner === '400000' && one.status === 'active')
  const later = await world.written('CTF', '400000', randomBytes(1_000), day(22))
  await protectFiles(client, options, { ...work, businessDate: day(22) })
  await endClearingKey(client, theirs?.id ?? 0, 'revoked', 'user:one')
  const unread = await deliverFiles(client, options, { ...work, businessDate: day(22) })
  t.match(unread, { state: 'blocked', words: /encrypted for key \d+, which was revoked since: mizan clearing correct/ })
  t.equal((await readRegister(client, later.id)).state, 'released')
})
