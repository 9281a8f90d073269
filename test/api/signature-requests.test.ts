import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { protectFiles } from '../../src/clearing/delivery/sign-step.ts'
import { readCertificate } from '../../src/clearing/protection/certificate.ts'
import { verifyFile } from '../../src/clearing/protection/files.ts'
import { makeOwnKey } from '../../src/clearing/protection/key-room.ts'
import { clearingRequestJob } from '../../src/jobs/clearing-request-job.ts'
import { endClearingKey, readClearingKeys } from '../../src/store/clearing/deliver-keys.ts'
import { giveDeliveryLock, takeDeliveryLock } from '../../src/store/clearing/deliver-standing.ts'
import { fileEvents } from '../../src/store/clearing/file-events.ts'
import { outgoingPath, registerFile } from '../../src/store/clearing/files.ts'
import { connect } from '../../src/store/connection.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { panProtectionOf } from '../support/pan-keys.ts'
import { apiWorld, deliveryAt } from './api-world.ts'

const businessDate = 20_261_101 as CivilDate

/** A file of ours that is signed, the key that it is signed with, and the job that signs it again. */
async function signedFile(test: Test) {
  const world = await apiWorld(test, { households: 1 })
  const { url, clock } = world
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-signatures-'))
  const client = await connect({ url, name: 'test', role: 'mizan_app' })
  test.teardown(async () => {
    await client.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const delivery = deliveryAt(folder)
  const bytes = randomBytes(100)
  const content = { bytes: 100, sha256: createHash('sha256').update(bytes).digest(), records: 1, items: 0 }
  const key = { direction: 'out', type: 'SUB', institution: 'NBE-01', businessDate, cycle: 1, sequence: 1 } as const
  const written = { ...key, state: 'written', content: { ...content, grossPiasters: 0n, totals: {} } } as const
  const file = await registerFile(client, written, 'write')
  const at = path.join(folder, outgoingPath(businessDate, file.name))
  mkdirSync(path.dirname(at), { recursive: true })
  writeFileSync(at, bytes, { mode: 0o600 })
  const { signal } = new AbortController()
  const work = { businessDate, signal, nowMs: () => clock.now(), progress: () => undefined }
  const sign = () => protectFiles(client, delivery, { ...work, log: createLogger({ level: 'silent' }) })
  const newKey = async () => {
    const facts = { name: 'clearing', organization: 'Tests', validFromMs: clock.now() - 1_000, days: 365, bits: 2_048 }
    return makeOwnKey(client, await delivery.openSeal(), { ...facts, purpose: 'sign', by: 'system:test' })
  }
  const revoke = async () => {
    for (const { id, owner, purpose, status } of await readClearingKeys(client)) {
      if (owner !== 'own' || purpose !== 'sign' || status !== 'active') continue
      await endClearingKey(client, id, 'revoked', 'user:one')
    }
  }
  const files = {
    ...{ processingBin: '400000', centre: 'MIZAN', batchItems: 950, testFiles: true, railLinks: ['visa'] },
    protection: panProtectionOf('writer tests'),
  }
  const job = clearingRequestJob({
    ...{ url, folder, files, delivery, clock, cutoverMinutes: 1_350, writerStallMs: 60_000 },
    identity: { name: 'UNIFIED CARD SETTLEMENT', centre: 'MIZAN', purpose: 'SUPP' },
    reconciliation: { presentmentDays: 3, lookBackDays: 30 },
  })
  return { ...world, client, file, at, sign, newKey, revoke, runJob: () => job.run(signal) }
}

t.test('a file whose key was revoked is signed again over HTTP', async (test) => {
  const { as, owner, client, clock, file, at, sign, newKey, revoke, runJob } = await signedFile(test)
  const clerk = as('settlement')
  const ended = async (requestId: number) => {
    await runJob()
    return (await clerk(`/clearing/requests/${requestId}`)).body
  }
  const address = `/clearing/files/${file.id}/sign-again`
  const asked = { body: { reason: 'the key was lost' }, key: 'sign-1' }
  test.match(await as('operator')(address, asked), { status: 403 })
  test.match(await clerk('/clearing/files/999999/sign-again', { body: asked.body }), { status: 404 })
  test.match(await clerk(address, { body: {} }), { status: 400 }, 'it says why')
  const refused = (detail: RegExp) => ({ status: 409, headers: { 'content-type': /problem\+json/ }, body: { detail } })
  test.match(await clerk(address, { body: asked.body }), refused(/was never signed/))
  test.match(await sign(), { state: 'done' })
  test.match(await clerk(address, { body: asked.body }), refused(/which is in use/))

  await revoke()
  const told = await clerk(address, asked)
  const { requestId } = told.body
  const waiting = { requestId, kind: 'file-signature', state: 'waiting', businessDate: '2026-11-01', fileId: file.id }
  test.match(told, { status: 202, body: { ...waiting, reason: asked.body.reason, askedBy: 'user:settlement' } })
  test.equal(told.headers.location, `/api/v1/clearing/requests/${requestId}`)
  const again = await clerk(address, asked)
  test.equal(again.headers['idempotent-replay'], 'true')
  test.same(again.body, told.body)
  test.match((await clerk(address, { body: { reason: 'once more' } })).body, { requestId }, 'asked for anew, it is one')
  const noted = await as('auditor')('/audit?action=POST%20/clearing/files/%7BfileId%7D/sign-again')
  const detail = { request: requestId, kind: 'file-signature', name: file.name, reason: asked.body.reason }
  const events: { outcome: string; detail: object }[] = noted.body.items
  const accepted = events.filter(({ outcome }) => outcome === 'accepted')
  test.match(accepted.at(-1), { actor: 'user:settlement', detail })

  const next = await newKey()
  test.ok(await takeDeliveryLock(client))
  test.match(await ended(requestId), { state: 'waiting', words: /another process is delivering files/, attempts: 1 })
  await giveDeliveryLock(client)
  const done = { state: 'done', words: new RegExp(`is signed with key ${next.id} in place of key \\d+`), attempts: 2 }
  test.match(await ended(requestId), done)
  await verifyFile(at, `${at}.p7s`, [readCertificate(next.certificate)], clock.now())
  test.match((await clerk(`/clearing/files/${file.id}`)).body, { state: 'signed' }, 'it waits to go out as before')
  const history = await fileEvents(client, file.id)
  const { reason } = asked.body
  test.match(history.at(-1), { action: 'signed-again', actor: 'user:settlement', detail: { reason, key: next.id } })

  await owner.query("update clearing_request set state = 'waiting', ended_at = null where id = $1", [requestId])
  const cut = { state: 'done', words: new RegExp(`is signed with key ${next.id}, which is in use`) }
  test.match(await ended(requestId), cut, 'cut off behind its work, it is done')
  test.equal((await fileEvents(client, file.id)).length, history.length)

  await revoke()
  const without = await clerk(address, { body: asked.body })
  test.match(await ended(without.body.requestId), { state: 'failed', words: /cryptographic check failed/ })
})
