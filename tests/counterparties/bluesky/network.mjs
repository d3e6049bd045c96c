// node -r ../node/loopback.cjs network.mjs MODE PLC_PORT PDS_PORT [APPVIEW_PORT PGSCHEMA]
// The real servers of Bluesky on loopback. MODE pds: PLC and PDS. MODE net: and AppView; needs DB_POSTGRES_URL and
// REDIS_HOST=host:port; PGSCHEMA is letters and underscores.
// Prints one JSON line {"ready":true,...}. A line `shut` on stdin closes the PDS's port and its connections, `open`
// opens it again; both are answered by a JSON line. SIGTERM ends it.
import { createInterface } from 'node:readline'
import { once } from 'node:events'

const loaded = await import('@atproto/dev-env')
const { TestNetwork, TestNetworkNoAppView } = loaded.default ?? loaded
const [mode, plc, pds, appview, schema] = process.argv.slice(2)
const base = { plc: { port: +plc }, pds: { port: +pds, hostname: 'localhost' } }
const network =
  mode === 'net'
    ? await TestNetwork.create({ ...base, dbPostgresSchema: schema, bsky: { port: +appview } })
    : await TestNetworkNoAppView.create(base)

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')
const server = network.pds.server.server
const sockets = new Set()
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})

createInterface({ input: process.stdin }).on('line', async (line) => {
  if (line === 'shut') {
    server.close()
    for (const socket of sockets) socket.destroy()
    say({ shut: true })
  } else if (line === 'open') {
    server.listen(+pds)
    await once(server, 'listening')
    say({ open: true })
  }
})

process.on('SIGTERM', async () => {
  await Promise.race([network.close(), new Promise((resolve) => setTimeout(resolve, 3000))])
  process.exit(0)
})
say({ ready: true, pds: network.pds.url, plc: network.plc.url, appview: network.bsky?.url })
