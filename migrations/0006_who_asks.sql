CREATE TABLE "agent_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"agent" text NOT NULL,
	"jwk" jsonb,
	"jwks_url" text,
	"allow_private" boolean NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	CONSTRAINT "agent_keys_one" CHECK (("agent_keys"."jwk" is null) <> ("agent_keys"."jwks_url" is null))
);
--> statement-breakpoint
CREATE TABLE "trusts" (
	"agent" text PRIMARY KEY NOT NULL,
	"system" text NOT NULL,
	"issuer" text NOT NULL,
	"audience" text NOT NULL,
	"allow_private" boolean NOT NULL,
	"conditions" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "scopes" ADD COLUMN "bound" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_keys" ADD CONSTRAINT "agent_keys_agent_agents_name_fk" FOREIGN KEY ("agent") REFERENCES "public"."agents"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trusts" ADD CONSTRAINT "trusts_agent_agents_name_fk" FOREIGN KEY ("agent") REFERENCES "public"."agents"("name") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_keys_agent" ON "agent_keys" USING btree ("agent");