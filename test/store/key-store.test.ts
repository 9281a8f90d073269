import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { hashSecret, verifySecret } from '../../src/security/keys/custodian-secret.ts'
import { canBecome, type KeyRecord, keyStatuses } from '../../src/security/keys/key-record.ts'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { SoftwareModule } from '../../src/security/software-module.ts'
import { assertNoDemoKeys, demoLinks, installDemoKeys } from '../../src/simulator/demo-key-store.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { addCustodian, disableCustodian, readCustodians, readSecretHash } from '../../src/store/custodian-store.ts'
import {
  type KeyChange,
  type KeySnapshot,
  noteKeyEvent,
  readKeyEvents,
  readKeys,
  saveKeys,
} from '../../src/store/key-store.ts'
import { watchKeys } from '../../src/store/key-watch.ts'
import { createTestDatabase, sharedKeyStore } from '../support/database.ts'

const DENIED = '42501'
const CHECK = '23514'
const author = { user: 'tester', detail: 'a test' }
const ring = new KeyRing(Buffer.alloc(32, 0x5a))
const security = new SoftwareModule(ring, () => 0)

const openStore = await sharedKeyStore(t)

function newKey(name: string, version: number, changes: Partial<KeyRecord> = {}): KeyRecord {
  const made = security.generateKey({ usage: 'P0', algorithm: 'T', modeOfUse: 'B', exportability: 'E', keyBytes: 16 })
  return { ...made, name, version, status: 'pending', validFromMs: 1_000, validToMs: undefined, ...changes }
}

const insertion = (key: KeyRecord): KeyChange => ({ kind: 'insert', key })

t.test('keys are read as they were saved', async (t) => {
  const { app } = await openStore(t)
  const empty = await readKeys(app)
  t.same(empty.keys, [])
  const first = newKey('zpk:visa', 1, { status: 'active' })
  const second = newKey('zpk:visa', 2, { validFromMs: 5_000, validToMs: 9_000 })
  const other = newKey('zpk:ascii', 1)
  await saveKeys(app, [insertion(first), insertion(second), insertion(other)], author)
  const { keys, generation } = await readKeys(app)
  t.ok(generation > empty.generation)
  t.match(keys, [other, first, second])
  t.equal(keys[0]?.createdBy, 'tester')
  t.ok(Math.abs((keys[0]?.createdAtMs ?? 0) - Date.now()) < 60_000)
  ring.load(keys)
  t.equal(ring.versions('zpk:visa').length, 2)
})

t.test('each change raises the generation, in its transaction', async (t) => {
  const { app, owner } = await openStore(t)
  await saveKeys(app, [insertion(newKey('pvk', 1, { usage: 'P0' }))], author)
  let last = (await readKeys(app)).generation
  const goesUp = async (what: string) => {
    const { generation } = await readKeys(app)
    t.ok(generation > last, what)
    last = generation
  }
  await saveKeys(app, [{ kind: 'status', name: 'pvk', version: 1, status: 'active' }], author)
  await goesUp('status')
  await saveKeys(app, [{ kind: 'validity', name: 'pvk', version: 1, validFromMs: 0, validToMs: 7_000 }], author)
  await goesUp('validity')
  await owner.query(`update security_key set valid_to = null`)
  await goesUp('what the owner of the database does by hand')
  await owner.query('begin')
  await owner.query('delete from security_key')
  t.equal((await readKeys(app)).generation, last, 'nothing is seen before it is committed')
  await owner.query('commit')
  await goesUp('a deletion')
  const [event] = await readKeyEvents(app, 1)
  t.match(event, { action: 'key-deleted', name: 'pvk', version: 1 })
})

t.test('a life has one direction, in the program and in the database', async (t) => {
  const { app, owner } = await openStore(t)
  for (const [index, from] of keyStatuses.entries()) {
    for (const to of keyStatuses) {
      const name = `zpk:${from}-${to}`
      await saveKeys(app, [insertion(newKey(name, 1))], author)
      const path = from === 'revoked' ? ['revoked'] : keyStatuses.slice(1, index + 1)
      for (const status of path)
        await owner.query('update security_key set status = $2 where name = $1', [name, status])
      const byHand = app.query('update security_key set status = $2 where name = $1', [name, to])
      const allowed = canBecome(from, to)
      if (allowed || from === to) await byHand
      else await t.rejects(byHand, { code: CHECK, constraint: 'security_key_life_cycle' }, `${from} to ${to} in SQL`)
      if (allowed) continue
      const changed = saveKeys(app, [{ kind: 'status', name, version: 1, status: to }], author)
      await t.rejects(changed, { code: 'CRYPTO_REFUSED', message: /cannot become/ }, `${from} to ${to}`)
    }
  }
})

t.test('what a key is never changes, and the database checks what it is', async (t) => {
  const { app, owner } = await openStore(t)
  const key = newKey('zpk:visa', 1, { status: 'active' })
  await saveKeys(app, [insertion(key)], author)
  for (const column of ['name', 'usage', 'algorithm', 'mode_of_use', 'exportability', 'check_value', 'block']) {
    await t.rejects(app.query(`update security_key set ${column} = 'x'`), { code: DENIED }, `the program: ${column}`)
    const changed = owner.query(`update security_key set ${column} = 'x'`)
    await t.rejects(changed, { code: CHECK, constraint: 'security_key_unchanging' }, `the owner: ${column}`)
  }
  await t.rejects(app.query('delete from security_key'), { code: DENIED })
  await t.rejects(app.query('truncate security_key'), { code: DENIED })
  await t.rejects(app.query('update security_generation set generation = 0'), { code: DENIED })

  const refused = async (changes: Partial<KeyRecord>, message: RegExp) =>
    t.rejects(saveKeys(app, [insertion(newKey('zpk:visa', 2, changes))], author), { code: 'STORE_REJECTED', message })
  await refused({ version: 1 }, /security_key_next_version|security_key_pkey/)
  await refused({ version: 3 }, /security_key_next_version/)
  await refused({ block: key.block }, /security_key_block_key/)
  await refused({ block: newKey('zpk:visa', 2).block.slice(0, -2) }, /security_key_block/)
  await refused({ exportability: 'N' }, /security_key_block/)
  await refused({ usage: 'M3' }, /security_key_one_usage/)
  await refused({ checkValue: '12345g' }, /security_key_check_value/)
  await refused({ validToMs: 1_000 }, /security_key_validity/)
  await t.rejects(
    saveKeys(app, [insertion(newKey('zpk:visa', 2, { status: 'retired' }))], author),
    { code: 'CRYPTO_REFUSED' },
    'a key is not born old',
  )
  await t.rejects(saveKeys(app, [insertion(newKey('ZPK visa', 1))], author), { code: 'STORE_REJECTED' })
  t.equal((await readKeys(app)).keys.length, 1)
  t.equal((await readKeyEvents(app, 10)).length, 1, 'what was refused left no event')
  await saveKeys(app, [insertion(newKey('pan-index', 1, { status: 'active' }))], author)
  const single = { code: CHECK, constraint: 'security_key_single' }
  await t.rejects(saveKeys(app, [insertion(newKey('pan-index', 2))], author), { message: /security_key_single/ })
  await t.rejects(app.query(`update security_key set status = 'revoked' where name = 'pan-index'`), single)
})

t.test('steps of one call are done together or not at all', async (t) => {
  const { app } = await openStore(t)
  await saveKeys(app, [insertion(newKey('zpk:visa', 1, { status: 'active' }))], author)
  const steps: KeyChange[] = [
    { kind: 'status', name: 'zpk:visa', version: 1, status: 'retired' },
    insertion(newKey('zpk:visa', 7)),
  ]
  await t.rejects(saveKeys(app, steps, author), { code: 'STORE_REJECTED' })
  await t.rejects(saveKeys(app, [{ kind: 'status', name: 'cvk', version: 1, status: 'retired' }], author), {
    code: 'NOT_FOUND',
  })
  t.match((await readKeys(app)).keys, [{ version: 1, status: 'active' }])
})

t.test('two programs that make the next version at once: one of them fails', async (t) => {
  const { app, url } = await openStore(t)
  const second = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => second.end())
  const outcomes = await Promise.allSettled(
    [app, second].map((client) => saveKeys(client, [insertion(newKey('zpk:visa', 1))], author)),
  )
  t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(
    outcomes.find((outcome) => outcome.status === 'rejected'),
    { reason: { code: 'STORE_REJECTED' } },
  )
})

t.test('every change is noted, in the name of its author, and stays noted', async (t) => {
  const { app, owner } = await openStore(t)
  const key = newKey('kek:visa', 1)
  await saveKeys(app, [insertion(key)], { user: 'root', custodians: ['custodian-a', 'custodian-b'], detail: 'entered' })
  await saveKeys(app, [{ kind: 'status', name: 'kek:visa', version: 1, status: 'active' }], { user: 'root' })
  await saveKeys(app, [{ kind: 'status', name: 'kek:visa', version: 1, status: 'revoked' }], { user: 'root' })
  await noteKeyEvent(app, { action: 'key-exported', name: 'kek:visa', version: 1, checkValue: key.checkValue }, author)
  await owner.query('update security_key set valid_to = now()')
  const events = await readKeyEvents(app, 10)
  t.same(
    events.map(({ action }) => action),
    ['key-validity-changed', 'key-exported', 'key-revoked', 'key-activated', 'key-created'],
  )
  t.match(events[4], {
    actor: 'root',
    custodians: ['custodian-a', 'custodian-b'],
    name: 'kek:visa',
    version: 1,
    checkValue: key.checkValue,
    detail: 'entered',
  })
  t.match(events[3], { actor: 'root', custodians: [], detail: '' }, 'the author of one change is not that of the next')
  const { rows } = await owner.query<{ name: string }>('select session_user as name')
  t.equal(events[0]?.actor, rows[0]?.name, 'who does not say who it is, is the user of the database')
  t.same(
    (await readKeyEvents(app, 2, 'kek:visa')).map(({ action }) => action),
    ['key-validity-changed', 'key-exported'],
  )
  t.same(await readKeyEvents(app, 2, 'nobody'), [])
  await t.rejects(app.query('update key_event set actor = $1', ['x']), { code: DENIED })
  await t.rejects(app.query('delete from key_event'), { code: DENIED })
  await t.rejects(app.query(`insert into key_event (actor, action, name) values ('x', 'key-created', 'x')`), {
    code: DENIED,
  })
})

t.test('custodians', async (t) => {
  const { app, owner } = await openStore(t)
  const secret = Buffer.from('correct horse battery')
  const hash = await hashSecret(secret)
  await addCustodian(app, 'custodian-a', hash, author)
  t.equal(await verifySecret(await readSecretHash(app, 'custodian-a'), secret), true)
  t.equal(await verifySecret(await readSecretHash(app, 'custodian-a'), Buffer.from('correct horse Battery')), false)
  t.equal(await verifySecret(await readSecretHash(app, 'custodian-b'), secret), false, 'nobody has no secret')
  t.not(await hashSecret(secret), hash, 'each time with another salt')
  await t.rejects(hashSecret(Buffer.from('eleven char')), { code: 'BAD_INPUT' })
  await t.rejects(verifySecret('scrypt$30$8$1$00$00', secret), { code: 'CRYPTO_REFUSED' })
  await t.rejects(addCustodian(app, 'custodian-a', hash, author), { code: 'BAD_INPUT' })
  await t.rejects(addCustodian(app, 'Amal Ali', hash, author), { code: 'BAD_INPUT' })
  await t.rejects(addCustodian(app, 'clear', 'correct horse battery', author), { code: 'STORE_REJECTED' })
  await disableCustodian(app, 'custodian-a', author)
  t.equal(await readSecretHash(app, 'custodian-a'), undefined)
  await t.rejects(disableCustodian(app, 'custodian-a', author), { code: 'NOT_FOUND' })
  await t.rejects(addCustodian(app, 'custodian-a', hash, author), { code: 'BAD_INPUT' }, 'a name is used once')
  await t.rejects(app.query('update custodian set secret_hash = $1', [hash]), { code: DENIED })
  await t.rejects(owner.query('update custodian set disabled_at = null'), {
    code: CHECK,
    constraint: 'custodian_unchanging',
  })
  t.match(await readCustodians(app), [{ name: 'custodian-a', disabledAtMs: Number }])
  t.same(
    (await readKeyEvents(app, 9, 'custodian-a')).map(({ action }) => action),
    ['custodian-disabled', 'custodian-added'],
  )
})

t.test('a database without a key store says so', async (t) => {
  const { url } = await createTestDatabase(t, { empty: true })
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  await t.rejects(readKeys(client), { code: 'STORE_SCHEMA_MISMATCH', message: /mizan start/ })
})

t.test('a watch tells of changes', async (t) => {
  const { app, owner, url } = await openStore(t)
  const { generation } = await readKeys(app)
  const told: KeySnapshot[] = []
  const errors: unknown[] = []
  let refuse = false
  const onChange = (snapshot: KeySnapshot) => {
    told.push(snapshot)
    if (refuse) throw new Error('the ring refuses them')
  }
  const watch = watchKeys({ url, generation, onChange, onError: (error) => errors.push(error), intervalMs: 20 })
  t.teardown(() => watch.close())
  await watch.poll()
  t.equal(told.length, 0, 'nothing has changed yet')

  await saveKeys(app, [insertion(newKey('zpk:visa', 1))], author)
  await watch.poll()
  t.equal(told.at(-1)?.keys.length, 1)
  await saveKeys(app, [{ kind: 'status', name: 'zpk:visa', version: 1, status: 'active' }], author)
  for (const deadline = Date.now() + 60_000; told.length < 2 && Date.now() < deadline; ) await sleep(10)
  t.equal(told.at(-1)?.keys[0]?.status, 'active', 'it looks by itself')

  const pid = await watcherPid(owner)
  await owner.query('select pg_terminate_backend($1)', [pid])
  await saveKeys(app, [insertion(newKey('zpk:visa', 2))], author)
  for (const deadline = Date.now() + 60_000; told.length < 3 && Date.now() < deadline; ) await watch.poll()
  t.equal(told.at(-1)?.keys.length, 2, 'a connection that was lost is opened again')
  t.not(await watcherPid(owner), pid)

  refuse = true
  errors.length = 0
  await saveKeys(app, [insertion(newKey('zpk:visa', 3))], author)
  await watch.poll()
  await watch.poll()
  t.match(errors, [{ message: 'the ring refuses them' }], 'what is refused is told once, and not tried again')
  t.equal(told.length, 4)

  await watch.close()
  await saveKeys(app, [insertion(newKey('zpk:visa', 4))], author)
  await watch.poll()
  t.equal(told.length, 4, 'a closed watch looks no more')
})

t.test('a watch of a database that is gone reports it once', async (t) => {
  const errors: unknown[] = []
  const url = 'postgresql://nobody:nothing@127.0.0.1:1/none'
  const watch = watchKeys({
    url,
    generation: 1,
    onChange: () => undefined,
    onError: (e) => errors.push(e),
    intervalMs: 5,
  })
  t.teardown(() => watch.close())
  for (let round = 0; round < 3; round++) await watch.poll()
  t.match(errors, [{ code: 'STORE_UNAVAILABLE' }])
})

async function watcherPid(owner: Client): Promise<number | undefined> {
  const { rows } = await owner.query<{ pid: number }>(
    `select pid from pg_stat_activity where application_name = 'mizan key watch' and datname = current_database()`,
  )
  return rows[0]?.pid
}

t.test('demo keys', async (t) => {
  const { app } = await openStore(t)
  const options = { seed: 1, environment: 'test' } as const
  await t.rejects(installDemoKeys(app, security, { ...options, environment: 'production' }), { code: 'DEMO_REFUSED' })
  await saveKeys(app, [insertion(newKey('zpk:visa', 1, { status: 'active' }))], author)
  const added = await installDemoKeys(app, security, options)
  t.equal(await installDemoKeys(app, security, options), 0, 'a second time adds nothing')
  const { keys } = await readKeys(app)
  t.equal(keys.length, added + 1)
  ring.load(keys)
  const nowMs = Date.now()
  for (const link of demoLinks) {
    ring.current(`mak:${link}`, { usage: 'M3', operation: 'verify' }, nowMs)
    ring.current(`kek:${link}`, { usage: 'K0', operation: 'unwrap' }, nowMs)
    ring.current(`zpk:${link}`, { usage: 'P0', operation: 'decrypt' }, nowMs)
  }
  ring.current('bio:00000001', { usage: 'M7', operation: 'verify' }, 0)
  ring.current('bdk-aes', { usage: 'B0', operation: 'derive' }, 0)
  const own = keys.filter(({ name, createdBy }) => name === 'zpk:visa' && createdBy === 'tester')
  t.equal(own.length, 1, 'the key that was there is left alone')

  t.throws(() => assertNoDemoKeys(keys), { code: 'DEMO_REFUSED', message: /imk-ac version 1/ })
  t.doesNotThrow(() => assertNoDemoKeys(own))
  t.doesNotThrow(() => assertNoDemoKeys(keys.map((key) => ({ ...key, status: 'revoked' as const }))))
  const renamed = keys.filter(({ name }) => name === 'pvk').map((key) => ({ ...key, name: 'zpk:other' }))
  t.throws(() => assertNoDemoKeys(renamed), { code: 'DEMO_REFUSED' }, 'under whatever name')
})

t.test('demo keys of another seed', async (t) => {
  const { app } = await openStore(t)
  await installDemoKeys(app, security, { seed: 77, environment: 'development', links: ['ascii'] })
  const { keys } = await readKeys(app)
  t.doesNotThrow(() => assertNoDemoKeys(keys))
  t.throws(() => assertNoDemoKeys(keys, [77]), { code: 'DEMO_REFUSED' })
})
