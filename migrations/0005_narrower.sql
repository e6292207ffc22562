CREATE TABLE "budgets" (
	"jti" text NOT NULL,
	"connection" text NOT NULL,
	"calls" integer,
	"writes" integer,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "budgets_jti_connection_pk" PRIMARY KEY("jti","connection")
);
--> statement-breakpoint
CREATE TABLE "presented" (
	"mark" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "capabilities" ADD COLUMN "parent" text;--> statement-breakpoint
ALTER TABLE "capabilities" ADD COLUMN "actor" text;--> statement-breakpoint
CREATE INDEX "budgets_expires" ON "budgets" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "presented_expires" ON "presented" USING btree ("expires_at");