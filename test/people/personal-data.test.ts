import { test } from 'tap'
import { KeyRing } from '../../src/security/keys/key-ring.ts'
import { panProtection } from '../../src/security/pan-protection.ts'
import { personalData, personalKinds } from '../../src/security/personal-data.ts'
import { connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { hasCardsUnder } from '../../src/store/key-store.ts'
import type { PeopleDesk } from '../../src/store/people-desk.ts'
import { changeMobile, registerPerson } from '../../src/store/people-entry.ts'
import { reencryptPeople } from '../../src/store/people-reencryption.ts'
import { checkPerson, readPerson } from '../../src/store/people-register.ts'
import { createTestDatabase } from '../support/database.ts'
import { bytesOf, panKeysOf } from '../support/pan-keys.ts'
import { person } from './people-world.ts'

const now = () => Date.now()

/** Keys of these tests, with as many versions of `pan-encryption`. */
function ringOf(versions: number): KeyRing {
  const ring = new KeyRing(bytesOf('people tests'))
  ring.load(panKeysOf(ring, 'people tests', versions))
  return ring
}

test('what is sealed opens in its own place alone', async (t) => {
  const ring = ringOf(1)
  const personal = personalData(ring, now)
  const text = 'شخص ١ 29001010300123'
  const indexes = personalKinds.map((kind) => personal.indexOf(kind, text).toString('hex'))
  t.equal(new Set(indexes).size, personalKinds.length, 'each kind has hashes of its own')
  t.same(personal.indexOf('mobile', text), personal.indexOf('mobile', text))
  const [here, there] = [personal.indexOf('national-id', 'a'), personal.indexOf('national-id', 'b')]
  const sealed = personal.seal(text, here)
  t.equal(personal.open(sealed, here), text)
  t.not(personal.seal(text, here).bytes.toString('hex'), sealed.bytes.toString('hex'))
  t.notOk(sealed.bytes.includes(Buffer.from('29001010300123')))
  t.throws(() => personal.open(sealed, there), { code: 'BAD_INPUT' }, 'moved to another row')
  for (const at of [0, 12, 20, sealed.bytes.length - 1]) {
    const changed = Buffer.from(sealed.bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    t.throws(() => personal.open({ ...sealed, bytes: changed }, here), { code: 'BAD_INPUT' }, `byte ${at} changed`)
  }
  t.throws(() => personal.open({ ...sealed, keyVersion: 9 }, here), { code: 'CRYPTO_REFUSED' })
  const pans = panProtection(ring, now)
  const pan = pans.encrypt('4000000000000002')
  t.throws(() => personal.open(pan, Buffer.from(pans.index('4000000000000002'), 'latin1')), { code: 'BAD_INPUT' })
})

test('people in the register', async (t) => {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test', role: 'mizan_app' })
  t.teardown(() => client.end())
  const deskOf = (versions: number): PeopleDesk => {
    const ring = ringOf(versions)
    return { client, personal: personalData(ring, now), pans: panProtection(ring, now), now }
  }
  const desk = deskOf(1)
  const clerk = { name: 'clerk' }
  const enter = async (number: number, changes = {}, mobile = true) => {
    const checked = checkPerson(desk, { ...person(number, mobile), ...changes })
    if (Array.isArray(checked)) throw new RangeError(checked.join())
    return registerPerson(desk, checked, clerk)
  }

  await t.test('a person is entered once, and a mobile number belongs to one', async (t) => {
    const id = await enter(1, {}, false)
    // Asked for as a member: who belongs to nobody holds nothing.
    await client.query(
      `insert into command_inbox (lane, kind, household_id, detail, requested_by)
       values (0, 'person-add', 1, jsonb_build_object('person', $1::bigint), 'clerk')`,
      [id],
    )
    const both = await Promise.all([enter(1), enter(1)])
    t.same(both, [id, id])
    t.match(await readPerson(desk, id), { mobile: '+201000000001', name: person(1).name, sex: 'female' })
    await t.rejects(enter(2, { mobile: '01000000001' }), {
      code: 'BAD_INPUT',
      message: /registered for another person/,
    })
    await t.rejects(enter(1, { mobile: '01100000001' }), {
      code: 'BAD_INPUT',
      message: /person 1 is known with another number/,
    })
    const change = (mobile: string, mobileProof: string) => changeMobile(desk, id, { mobile, mobileProof }, clerk)
    await t.rejects(change('01100000001', ''), { code: 'BAD_INPUT', message: /mobileProof/ })
    t.equal(await change('٠١١٠٠٠٠٠٠٠١', 'contract'), '**********001')
    t.match(await readPerson(desk, id), { mobile: '+201100000001' })
    const { rows } = await client.query('select what from person_event where person_id = $1 order by id', [id])
    t.same(rows, [{ what: 'registered' }, { what: 'mobile-changed' }, { what: 'mobile-changed' }])
    await t.rejects(client.query('update person_event set actor = $1', ['x']), /permission denied|never changed/)
    t.match(checkPerson(desk, { ...person(3), mobileProof: '' }), [/^mobileProof: /])
    t.match(checkPerson(desk, { ...person(3), name: 'Name 3' }), [/^name: /])
  })

  await t.test('after a rotation people are brought under the newest key, and read as before', async (t) => {
    const ids = [await enter(11), await enter(12), await enter(13)]
    const later = deskOf(2)
    t.equal(await hasCardsUnder(client, 1), true)
    await client.query('update person set sealed = $2 where id = $1', [ids[2], Buffer.alloc(40)])
    const stopped = AbortSignal.abort()
    t.same(await reencryptPeople(client, { personal: later.personal, signal: stopped }), {
      reencrypted: 0,
      remaining: 4,
      unreadable: 0,
    })
    const result = await reencryptPeople(client, { personal: later.personal, batchRows: 2 })
    t.same(result, { reencrypted: 3, remaining: 1, unreadable: 1 })
    t.match(await readPerson(later, ids[0] ?? 0), { nationalId: person(11).nationalId })
    await t.rejects(readPerson(later, ids[2] ?? 0), { code: 'BAD_INPUT' })
    t.equal(await hasCardsUnder(client, 1), true, 'the one that cannot be read')
    t.match(await reencryptPeople(client, { personal: later.personal }), { reencrypted: 0, remaining: 1 })
  })
})
