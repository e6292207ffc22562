CREATE TABLE "leases" (
	"id" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"connection" text NOT NULL,
	"agent" text NOT NULL,
	"environment" text NOT NULL,
	"capability" jsonb NOT NULL,
	"template" jsonb NOT NULL,
	"places" jsonb NOT NULL,
	"handle" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"because" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"try_at" timestamp with time zone NOT NULL,
	"last_error" text
);
--> statement-breakpoint
ALTER TABLE "scopes" ADD COLUMN "leases" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
CREATE INDEX "leases_alive" ON "leases" USING btree ("try_at") WHERE "leases"."state" <> 'ended';--> statement-breakpoint
CREATE INDEX "leases_agent" ON "leases" USING btree ("agent","created_at");