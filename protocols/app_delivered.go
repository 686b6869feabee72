package protocols

// AppDelivered confirms that the message was passed to the application.
type AppDelivered struct {
	Token uint64 `json:"token"`
}

var _ = Define[AppDelivered]("APP_DELIVERED", Rules{MaxBytes: 4 << 10, From: FromAnyone})

// Kind returns APP_DELIVERED.
func (AppDelivered) Kind() Kind { return "APP_DELIVERED" }

// Validate accepts every value.
func (AppDelivered) Validate() error { return nil }
