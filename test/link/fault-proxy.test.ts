import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Faults, startFaultProxy } from '../support/fault-proxy.ts'
import { connectPeer, Peer } from './harness.ts'

/** A server that gives its sockets to the test, behind a proxy with faults towards it. */
async function setup(
  t: Test,
  toServer: Faults,
): Promise<{ peer: Peer; socket: Socket; proxy: Awaited<ReturnType<typeof startFaultProxy>> }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const proxy = await startFaultProxy(
    { port: typeof address === 'object' && address !== null ? address.port : 0 },
    { toServer },
  )
  const accepted = once(server, 'connection')
  const peer = await connectPeer(proxy.port)
  const socket = (await accepted)[0] as Socket
  socket.on('error', () => {})
  t.teardown(async () => {
    peer.destroy()
    socket.destroy()
    await proxy.close()
    server.close()
  })
  return { peer, socket, proxy }
}

async function read(socket: Socket, bytes: number): Promise<{ text: string; reads: number }> {
  let text = ''
  let reads = 0
  while (text.length < bytes) {
    text += String((await once(socket, 'data'))[0])
    reads += 1
  }
  return { text, reads }
}

t.test('without faults bytes and ends pass', async (t) => {
  const { peer, socket, proxy } = await setup(t, {})
  peer.socket.end('hello')
  t.equal((await read(socket, 5)).text, 'hello')
  await once(socket, 'end')
  socket.end()
  await peer.gone
  t.equal(proxy.accepted, 1)
})

t.test('delay, split and coalesce change the time and the reads, not the bytes', async (t) => {
  const { peer, socket, proxy } = await setup(t, { delayMs: 30 })
  const sent = performance.now()
  peer.socket.write('delayed')
  t.equal((await read(socket, 7)).text, 'delayed')
  t.ok(performance.now() - sent >= 29)
  delete proxy.toServer.delayMs
  proxy.toServer.splitBytes = 1
  peer.socket.write('single bytes')
  const split = await read(socket, 12)
  t.equal(split.text, 'single bytes')
  t.ok(split.reads > 1)
  delete proxy.toServer.splitBytes
  proxy.toServer.coalesceBytes = 9
  const coalesced = read(socket, 9)
  for (const part of ['one', 'two', 'six']) {
    await new Promise((resolve) => peer.socket.write(part, resolve))
  }
  t.strictSame(await coalesced, { text: 'onetwosix', reads: 1 })
})

t.test('drop loses chunks, cut resets both sides after so many bytes', async (t) => {
  const { peer, socket, proxy } = await setup(t, { drop: (chunk) => chunk.includes('lost') })
  peer.socket.write('lost')
  while (peer.socket.writableLength > 0) await once(peer.socket, 'drain')
  await new Promise((resolve) => setImmediate(resolve))
  proxy.toServer.drop = () => false
  proxy.toServer.cutAfterBytes = 4
  const got = read(socket, 4)
  peer.socket.write('kept and cut')
  t.match((await got).text, /kept|lost/)
  await peer.gone
  t.equal(proxy.open, 0)
})

t.test('half-open: one end is gone and the other does not learn of it', async (t) => {
  const { peer, socket, proxy } = await setup(t, {})
  peer.socket.write('x')
  await read(socket, 1)
  proxy.halfOpen('server')
  await once(socket, 'end')
  peer.socket.write('into the void')
  t.equal(peer.socket.destroyed, false)
  proxy.refuse = true
  await new Peer(connect(proxy.port, '127.0.0.1'), 'len2').gone
  t.equal(proxy.accepted, 2)
  t.equal(peer.socket.destroyed, false)
})

t.test('an inspector of both directions sees one connection, changes what passes, and cuts it', async (t) => {
  const { peer, socket, proxy } = await setup(t, {})
  const seen = new Set<object>()
  proxy.toServer.inspect = (chunk, connection) => {
    seen.add(connection)
    return Buffer.concat([chunk, chunk])
  }
  proxy.toClient.inspect = (chunk, connection) => {
    seen.add(connection)
    connection.cut()
    return chunk
  }
  peer.socket.write('twice ')
  t.equal((await read(socket, 12)).text, 'twice twice ')
  socket.write('the answer is lost')
  await peer.gone
  t.equal(seen.size, 1)
  t.equal(proxy.open, 0)
})

t.test('a throttle lets so many bytes pass in a second', async (t) => {
  const { peer, socket, proxy } = await setup(t, { throttleBytesPerSecond: 1_000 })
  const sent = performance.now()
  peer.socket.write('x'.repeat(50))
  await read(socket, 50)
  t.ok(performance.now() - sent >= 49)
  t.equal(proxy.open, 1)
})
