/** Settings of Patroni for one server: JSON is YAML too. */

/** One PostgreSQL server under Patroni. */
export interface NodePlace {
  readonly name: string
  readonly folder: string
  readonly databasePort: number
  /** Of Patroni's REST API, where others ask who is the primary. */
  readonly restPort: number
}

/** Users that the servers themselves need. */
export interface ClusterPasswords {
  readonly superuser: string
  readonly replication: string
  readonly rewind: string
  /** Of the switch. */
  readonly mizan: string
}

export interface PatroniOptions {
  readonly node: NodePlace
  readonly etcdPorts: readonly number[]
  readonly passwords: ClusterPasswords
  readonly binDir: string
}

const SECOND = 1
/**
 * What all servers agree on. No commit is answered before a second server has it (strict), only a server that has all of it may
 * become the primary (lag 0), and a primary whose server died is not waited for. 20 seconds are the least that Patroni takes
 * as the time after which a primary that vanished with its machine is replaced.
 */
const agreed = {
  ttl: 20 * SECOND,
  loop_wait: 2 * SECOND,
  retry_timeout: 3 * SECOND,
  maximum_lag_on_failover: 0,
  primary_start_timeout: 0,
  synchronous_mode: true,
  synchronous_mode_strict: true,
  failsafe_mode: true,
  postgresql: {
    use_pg_rewind: true,
    use_slots: true,
    parameters: {
      synchronous_commit: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      wal_log_hints: 'on',
      shared_buffers: '64MB',
      max_wal_size: '1GB',
      max_connections: 100,
      tcp_keepalives_idle: 5,
      tcp_keepalives_interval: 2,
      tcp_keepalives_count: 3,
      wal_sender_timeout: '5s',
      wal_receiver_timeout: '5s',
    },
  },
} as const

/** The file that `patroni` is started with. It holds passwords. */
export function patroniSettings({ node, etcdPorts, passwords, binDir }: PatroniOptions): Record<string, unknown> {
  const { name, folder, databasePort, restPort } = node
  const database = `127.0.0.1:${databasePort}`
  const rest = `127.0.0.1:${restPort}`
  return {
    scope: 'mizan',
    name,
    restapi: { listen: rest, connect_address: rest },
    etcd3: { hosts: etcdPorts.map((port) => `127.0.0.1:${port}`) },
    bootstrap: { dcs: agreed, initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'data-checksums'] },
    postgresql: {
      listen: database,
      connect_address: database,
      data_dir: `${folder}/data`,
      bin_dir: binDir,
      pgpass: `${folder}/pgpass`,
      authentication: {
        superuser: { username: 'postgres', password: passwords.superuser },
        replication: { username: 'replicator', password: passwords.replication },
        rewind: { username: 'rewinder', password: passwords.rewind },
      },
      parameters: { unix_socket_directories: folder },
      pg_hba: [
        'local all postgres peer',
        'host replication replicator 127.0.0.1/32 scram-sha-256',
        'host all all 127.0.0.1/32 scram-sha-256',
      ],
    },
    // A machine of its own has one; here the fence of the ledger must do.
    watchdog: { mode: 'off' },
  }
}
