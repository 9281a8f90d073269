import t from 'tap'
import {
  initialState,
  isNetworkManagement,
  type NetworkManagementHook,
  networkManagementAnswer,
  refusalBeforeSignOn,
  type SessionState,
} from '../../src/link/session.ts'

const request = (de70?: string) => ({ mti: '0800', de70 })

t.test('a link starts signed on unless sign-on is required', async (t) => {
  t.equal(initialState(true), 'signed-off')
  t.equal(initialState(false), 'signed-on')
})

t.test('sign-on, sign-off and echo are approved in every state', async (t) => {
  const states: SessionState[] = ['signed-off', 'signed-on']
  for (const state of states) {
    const changedBy = (next: SessionState) => ({ responseCode: '00', state: next, changed: state !== next })
    t.strictSame(networkManagementAnswer(state, request('001')), changedBy('signed-on'))
    t.strictSame(networkManagementAnswer(state, request('002')), changedBy('signed-off'))
    t.strictSame(networkManagementAnswer(state, request('301')), changedBy(state))
  }
})

t.test('other codes go to the hook; unknown ones get 12, a missing one 30', async (t) => {
  const seen: string[] = []
  const hook: NetworkManagementHook = ({ de70 }) => {
    seen.push(String(de70))
    return de70 === '101' ? { responseCode: '00', fields: { 48: 'KC006ABCDEF' } } : undefined
  }
  t.strictSame(networkManagementAnswer('signed-on', request('101'), hook), {
    responseCode: '00',
    fields: { 48: 'KC006ABCDEF' },
    state: 'signed-on',
    changed: false,
  })
  t.match(networkManagementAnswer('signed-on', request('999'), hook), { responseCode: '12' })
  t.equal(networkManagementAnswer('signed-on', request('201')).responseCode, '12')
  t.strictSame(networkManagementAnswer('signed-off', request(), hook), {
    responseCode: '30',
    state: 'signed-off',
    changed: false,
  })
  t.strictSame(seen, ['101', '999'])
})

t.test('a hook may answer later', async (t) => {
  const later = networkManagementAnswer('signed-off', request('101'), async () => ({ responseCode: '63' }))
  t.type(later, Promise)
  t.strictSame(await later, { responseCode: '63', state: 'signed-off', changed: false })
  t.match(await networkManagementAnswer('signed-on', request('777'), async () => undefined), { responseCode: '12' })
  // Sign-on, sign-off and echo never wait.
  t.match(
    networkManagementAnswer('signed-off', request('001'), async () => undefined),
    { state: 'signed-on' },
  )
})

t.test('before sign-on only network management is processed', async (t) => {
  for (const mti of ['0800', '0801', '0820', '1804']) t.equal(isNetworkManagement(mti), true, mti)
  for (const mti of ['0810', '0830', '0100', '0400', '']) t.equal(isNetworkManagement(mti), false, mti)
  t.equal(refusalBeforeSignOn('signed-off', '0100'), '91')
  t.equal(refusalBeforeSignOn('signed-off', '0420'), '91')
  t.equal(refusalBeforeSignOn('signed-off', '0800'), undefined)
  t.equal(refusalBeforeSignOn('signed-on', '0100'), undefined)
})
