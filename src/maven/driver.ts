import * as z from 'zod/mini'
import { assert } from '../base/assert.ts'
import { defineMethod, defineSlice, type SliceContext } from '../slice/index.ts'
import { Deployer } from './deployer.ts'
import { FactSource } from './facts.ts'
import { MavenHttp } from './http.ts'
import { Reader } from './reader.ts'
import { Repositories } from './repository.ts'
import { ArtifactService } from './service.ts'
import { ArtifactStore } from './store.ts'
import { Tree } from './tree.ts'

const Settings = z.object({
  uploadBytesMax: z.number(),
  repositories: z.record(
    z.string(),
    z.discriminatedUnion('type', [
      z.object({
        type: z.literal('hosted'),
        versions: z.enum(['release', 'snapshot', 'any']),
        adminOnly: z.boolean(),
      }),
      z.object({ type: z.literal('group'), members: z.array(z.string()) }),
    ]),
  ),
})

const Content = z.custom<AsyncIterable<Uint8Array>>(
  (value) => typeof value === 'object' && value !== null && Symbol.asyncIterator in value,
)

let service: ArtifactService | undefined

/** The artifact repository: Maven's protocol below `/repository/`, and four methods for other slices. */
export const slice = defineSlice({
  methods: {
    deploy: defineMethod(
      z.object({
        repository: z.string(),
        artifact: z.string(),
        content: Content,
        publisher: z.string(),
      }),
      (input) => running().deploy(input.repository, input.artifact, input.content, input.publisher),
    ),
    resolve: defineMethod(z.object({ repository: z.string(), artifact: z.string() }), (input) =>
      running().resolve(input.repository, input.artifact),
    ),
    versions: defineMethod(
      z.object({ repository: z.string(), groupId: z.string(), artifactId: z.string() }),
      (input) => running().versions(input.repository, input.groupId, input.artifactId),
    ),
    exists: defineMethod(z.object({ repository: z.string(), artifact: z.string() }), (input) =>
      running().exists(input.repository, input.artifact),
    ),
  },

  async start(context: SliceContext): Promise<void> {
    const { uploadBytesMax, repositories: settings } = Settings.parse(context.configuration)
    const repositories = new Repositories(settings)
    const store = new ArtifactStore(context)
    const tree = new Tree(store)
    const facts = new FactSource(store)
    const reader = new Reader({ store, tree, facts })
    const deployer = new Deployer({ store, tree, facts, uploadBytesMax })
    service = new ArtifactService({ repositories, reader, deployer, store })
    const http = new MavenHttp({ repositories, reader, deployer, store, tree })
    context.http.mount('/repository/', http.handle)
  },

  async stop(): Promise<void> {
    service = undefined
  },
})

function running(): ArtifactService {
  assert(service !== undefined, 'artifact-repo is called outside of its ACTIVE state')
  return service
}
