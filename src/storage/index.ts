/*
 * What `fastify-clover/storage` offers: the contract, the ready adapters, the shapes of the clients they take, and the wrapper that seals
 * tokens.
 */
export type { CloverStorage, CloverStorageWithSetup, Installation, ListPage, ListQuery } from './contract.js'
export { memoryStorage } from './memory.js'
export { sqliteStorage, type SqliteStorageOptions } from './sqlite.js'
export type { SqliteDatabase, SqliteStatement } from './sqlite-client.js'
export { postgresStorage, type PostgresClient, type PostgresQuery, type PostgresStorageOptions } from './postgres.js'
export { redisStorage, type RedisStorageOptions } from './redis.js'
export type { IoredisClient, IoredisCluster, IoredisNode, NodeRedisClient, NodeRedisCluster, NodeRedisNode, RedisClient } from './redis-client.js'
export { encryptedStorage, type EncryptedStorage, type EncryptedStorageOptions, type ResealOptions, type ResealProgress } from './encrypted.js'
export type { SealingKey } from './seal.js'
