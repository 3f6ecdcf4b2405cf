/*
 * What `fastify-clover/storage` offers: the contract, the ready adapters, and the shapes of the clients they take.
 *
 * The wrapper `encryptedStorage` belongs here too.
 */
export type { CloverStorage, CloverStorageWithSetup, Installation, ListPage, ListQuery } from './contract.js'
export { memoryStorage } from './memory.js'
export { sqliteStorage, type SqliteDatabase, type SqliteStatement, type SqliteStorageOptions } from './sqlite.js'
export { postgresStorage, type PostgresClient, type PostgresQuery, type PostgresStorageOptions } from './postgres.js'
export { redisStorage, type RedisStorageOptions } from './redis.js'
export type { IoredisClient, IoredisCluster, IoredisNode, NodeRedisClient, NodeRedisCluster, NodeRedisNode, RedisClient } from './redis-client.js'
