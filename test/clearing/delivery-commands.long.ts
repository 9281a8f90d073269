import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { certificatePem } from '../../src/clearing/protection/certificate.ts'
import { makeRsaKey, selfSigned } from '../../src/clearing/protection/self-signed.ts'
import { clearingCommand } from '../../src/commands/clearing.ts'
import { hashSecret } from '../../src/security/keys/custodian-secret.ts'
import { addUser } from '../../src/store/access-users.ts'
import { withClient } from '../../src/store/database-location.ts'
import { commandRunner } from '../support/command.ts'
import { deliveryWorld } from './delivery-world.ts'

const DATE = 20_261_110 as CivilDate

test('keys are made and imported, files signed, released by a second person, delivered and opened', async (t) => {
  const world = await deliveryWorld(DATE)
  const config = path.join(world.root, 'config.json')
  const release = { required: ['CTF', 'SUB'] }
  const settings = { varDir: world.root, log: { level: 'silent' }, clearing: { release } }
  writeFileSync(config, JSON.stringify(settings))
  const run = commandRunner({ DATABASE_URL: world.url, MIZAN_MASTER_KEY: '5a'.repeat(32) })
  const mizan = async (args: string[], input?: string) => {
    const done = await run(clearingCommand, [...args, '--config', config, '--json'], input)
    return { ...done, said: done.out === '' ? undefined : JSON.parse(done.out) }
  }
  await withClient(world.url, async (owner) => {
    const hash = await hashSecret(Buffer.from('correct horse battery'), 10)
    await addUser(owner, { name: 'second', roles: ['settlement'], mustChange: false }, hash, 'system:test')
  })
  const made = await mizan(['keys', 'make', 'sign', '--days', '30'])
  t.match(made.said, { owner: 'own', purpose: 'sign', version: 1, status: 'active', isOurs: true })
  const nowMs = Date.now()
  const request = { name: 'partner', organization: 'Tests', validFromMs: nowMs - 1_000, validToMs: nowMs + 86_400_000 }
  const pem = path.join(world.root, 'partner.pem')
  writeFileSync(pem, certificatePem(selfSigned(await makeRsaKey(2_048), { ...request, purpose: 'encrypt' })))
  const wrong = await mizan(['keys', 'import', '400000', 'sign', '--certificate', pem])
  t.match(wrong.errors, /does not allow digitalSignature/)
  t.match((await mizan(['keys', 'import', '400000', 'encrypt', '--certificate', pem])).said, { owner: '400000' })
  t.match((await mizan(['keys', 'import', '400000', 'encrypt', '--certificate', pem])).errors, /there already/)
  const own = await mizan(['keys', 'import', 'own', 'encrypt', '--certificate', pem])
  t.match(own.errors, /comes with --key/)

  const ctf = await world.written('CTF', '400000', Buffer.from('items with card numbers'))
  const early = await mizan(['deliver', '2026-11-10'])
  t.match(early.said, { sign: { state: 'done' }, deliver: { state: 'waiting', words: /mizan clearing release/ } })
  t.match((await mizan(['release', '2026-11-10', '--list'])).said, { files: [{ name: ctf.name }] })
  const nobody = await mizan(['release', '2026-11-10'], 'second\nwrong password\n')
  t.equal(nobody.status, 1)
  const released = await mizan(['release', '2026-11-10'], 'second\ncorrect horse battery\n')
  t.match(released.said, { released: [{ name: ctf.name }], checker: 'user:second' })
  t.match((await mizan(['release', '2026-11-10'])).errors, /no file/)
  t.match((await mizan(['deliver', '2026-11-10'])).said, { deliver: { state: 'done' } })
  t.match((await mizan(['deliveries', '--file', ctf.name])).said, [
    { state: 'delivered', events: [{ event: 'delivered' }] },
  ])
  const again = await mizan(['deliver', '--resend', ctf.name, '--reason', 'they lost it'])
  t.match(again.said, { businessDate: '2026-11-10', deliver: { state: 'done' } })
  const later = await mizan(['resend', ctf.name, '--reason', 'once more'])
  t.match(later.said, { name: ctf.name, businessDate: '2026-11-10', deliveries: 1 })
  t.match((await mizan(['deliveries', '--file', ctf.name])).said, [
    { state: 'waiting', signedBy: made.said.fingerprint },
  ])
  t.match((await mizan(['resend', ctf.name, '--reason', ' '])).errors, /needs a --reason/)
  const out = path.join(world.root, 'out')
  const opened = await mizan(['open', ctf.name, '--out', out])
  t.match(opened.said, { bytes: 23 })
  t.equal(readFileSync(out, 'latin1'), 'items with card numbers')
  t.match((await mizan(['open', ctf.name, '--out', out])).errors, /is there already/)
  const { said: keys } = await mizan(['keys', 'list'])
  const partner = keys.find(({ owner }: { owner: string }) => owner === '400000')
  t.match((await mizan(['keys', 'retire', String(partner.id), '--reason', 'rotated'])).said, { status: 'retired' })
  t.match((await mizan(['keys', 'export', String(partner.id)])).said.certificate, /^-----BEGIN CERTIFICATE-----/)
  t.match(await mizan(['inbox', '--list']), { status: 0, said: [] })
})
