/*
 * The entry `fastify-clover/storage`: the contract, the ready adapters, the types of the clients they accept, and the wrapper that seals tokens.
 */
export type { CloverStorage, CloverStorageWithSetup, Installation, ListPage, ListQuery } from './contract.js'
export { memoryStorage } from './memory.js'
export { sqliteStorage, type SqliteStorageOptions } from './sqlite.js'
export type { SqliteDatabase, SqliteStatement } from './sqlite-client.js'
export { postgresStorage, type PgClient, type PostgresClient, type PostgresJsClient, type PostgresQuery, type PostgresStorageOptions } from './postgres.js'
export { mysqlStorage, type MysqlCallbackPool, type MysqlClient, type MysqlPromisePool, type MysqlQuery, type MysqlStorageOptions } from './mysql.js'
export { sqlStorage, type SqlDialect, type SqlResult, type SqlRun, type SqlStorageOptions, type SqlTableOptions, type SqlValue } from './sql.js'
export { prismaStorage, type PrismaClientLike, type PrismaStorageOptions } from './prisma.js'
export { drizzleStorage, type DrizzleDatabase, type DrizzleStorageOptions } from './drizzle.js'
export { knexStorage, type KnexClient, type KnexStorageOptions } from './knex.js'
export { kyselyStorage, type KyselyClient, type KyselyStorageOptions } from './kysely.js'
export { typeormStorage, type TypeormDataSource, type TypeormStorageOptions } from './typeorm.js'
export { mongodbStorage, type MongodbCollection, type MongodbEntry } from './mongodb.js'
export {
  dynamodbStorage, type DynamodbClient, type DynamodbCondition, type DynamodbItem, type DynamodbScan, type DynamodbStorageOptions, type DynamodbTable
} from './dynamodb.js'
export { redisStorage, type RedisStorageOptions } from './redis.js'
export type { IoredisClient, IoredisCluster, IoredisNode, NodeRedisClient, NodeRedisCluster, NodeRedisNode, RedisClient } from './redis-client.js'
export { encryptedStorage, type EncryptedStorage, type EncryptedStorageOptions, type ResealOptions, type ResealProgress } from './encrypted.js'
export type { SealingKey } from './seal.js'
